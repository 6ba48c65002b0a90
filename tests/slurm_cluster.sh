#!/usr/bin/env bash
# A small real Slurm for tests: accounting, two nodes on this machine, loopback only, no systemd, no cgroups.
#
#   slurm_cluster.sh install     the Debian packages that are missing (needs root and apt-get)
#   slurm_cluster.sh start       write the configuration, start the daemons, wait until a job can run
#   slurm_cluster.sh stop        cancel the jobs, end the daemons, undo all that lies outside $SLURM_LAB
#   slurm_cluster.sh node-down NODE | node-up NODE         kill slurmd and all its jobs | start it again
#   slurm_cluster.sh controller-down | controller-up       kill slurmctld | start it again
#
# SLURM_LAB   folder of all state, logs and keys; an absolute path of at most 60 characters
# SLURM_PORT  first of four ports on 127.0.0.1 (default 26817): slurmctld, slurmdbd, one slurmd per node
#
# Exit status: 0 done, 1 failed, 2 usage, 3 not possible on this machine.
#
# The nodes are called node0 and node1; each claims 2 CPUs, 64 GB and one GPU, whatever the machine has.
# Snakemake's Slurm jobs drop SLURM_CONF, so that /etc/slurm/slurm.conf must lead to the configuration:
# `start` makes it a link, and refuses where there is one already.
set -euo pipefail
umask 022
PATH=$PATH:/usr/sbin:/sbin

LAB=${SLURM_LAB:-}
PORT=${SLURM_PORT:-26817}
CLUSTER=metaprobe
NODES=(node0 node1)
ETC=/etc/slurm/slurm.conf
HOSTS_MARK='# slurm_cluster.sh'
PROGRAMS=(munged:munge slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client slurmdbd:slurmdbd
    mariadbd:mariadb-server-core mariadb:mariadb-client-core)

say() { printf 'slurm_cluster: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
cannot() { say "$*"; exit 3; }

missing() {
    local pair
    for pair in "${PROGRAMS[@]}"; do command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"; done
}

install() {
    local packages guard=/usr/sbin/policy-rc.d
    mapfile -t packages < <(missing)
    ((${#packages[@]})) || return 0
    command -v apt-get >/dev/null || cannot "this needs ${packages[*]}, and there is no apt-get here"
    [ "$(id -u)" = 0 ] || cannot "installing ${packages[*]} needs root"
    if [ ! -e $guard ]; then       # the packages must not start daemons of their own
        trap 'rm -f '$guard EXIT
        printf '#!/bin/sh\nexit 101\n' >$guard
        chmod 755 $guard
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${packages[@]}"
}

# ---- processes: a pid counts only while it runs the program that its file is named after ----
pid_of() {
    local pid exe
    pid=$(cat "$LAB/run/$1" 2>/dev/null) && exe=$(readlink "/proc/$pid/exe") || return 1
    exe=${exe##*/}
    [ "${exe%-wlm}" = "${1%%.*}" ] && echo "$pid"
}

launch() {       # launch NAME COMMAND...
    local name=$1; shift
    pid_of "$name" >/dev/null && return 0
    setsid "$@" </dev/null >>"$LAB/log/$name" 2>&1 &
    echo $! >"$LAB/run/$name"
    disown
}

end() {          # end NAME SIGNAL: wait 10 s, then kill
    local pid i
    pid=$(pid_of "$1") || return 0
    kill "-$2" "$pid" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do pid_of "$1" >/dev/null || return 0; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || true
}

kill_jobs() {    # slurmd's own children have METAPROBE_NODE, the jobs what Slurm tells them
    local folder environment
    for folder in /proc/[0-9]*; do
        environment=$({ tr "\\0" "\\n" <"$folder/environ"; } 2>/dev/null) || continue
        if grep -qx "METAPROBE_NODE=$LAB/$1" <<<"$environment" ||
            [ "$(grep -cxE "SLURM_CLUSTER_NAME=$CLUSTER|SLURMD_NODENAME=$1" <<<"$environment")" = 2 ]; then
            kill -KILL "${folder##*/}" 2>/dev/null || true
        fi
    done
}

wait_for() {     # wait_for LOG COMMAND...
    local log=$1 until=$((SECONDS + 60)); shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < until)) || { tail -n 15 "$LAB/log/$log" >&2; die "$log gave no answer in 60 s"; }
        sleep 0.1
    done
}

# ---- configuration ----
loopback_name() {        # the daemons bind the address of the host name: it must be loopback
    local host address
    host=$(hostname)
    address=$(getent ahostsv4 "$host" | awk 'NR == 1 {print $1}') || true
    case $address in
        127.*) ;;
        '') echo "127.0.0.1 $host $HOSTS_MARK" >>/etc/hosts ;;
        *) cannot "the host name '$host' is $address: put '127.0.0.1 $host' first in /etc/hosts" ;;
    esac
    echo "$host"
}

configure() {
    local host plugins i
    host=$(loopback_name)
    plugins=$(dirname "$(dpkg -L slurm-wlm-basic-plugins | grep -m1 '/auth_munge\.so$')")
    mkdir -p "$LAB"/{log,run,state,spool,munge,dev,mysql}
    chmod 755 "$LAB" "$LAB/munge"
    chmod 700 "$LAB/mysql" "$LAB/state"
    [ -c "$LAB/dev/gpu" ] || mknod "$LAB/dev/gpu" c 1 3
    echo "Name=gpu File=$LAB/dev/gpu" >"$LAB/gres.conf"
    : >"$LAB/plugstack.conf"
    cat >"$LAB/common.conf" <<CONF
SlurmUser=root
AuthType=auth/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
PluginDir=$plugins
CONF
    {
        cat "$LAB/common.conf" - <<CONF
ClusterName=$CLUSTER
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$PORT
SlurmdUser=root
# a lost node's jobs are held until their credentials have expired: 120 s if nothing is said
AuthInfo=socket=$LAB/munge/socket,cred_expire=10
CredType=cred/munge
StateSaveLocation=$LAB/state
SlurmdSpoolDir=$LAB/spool/%n
SlurmctldPidFile=$LAB/run/own.slurmctld
SlurmdPidFile=$LAB/run/own.%n
SlurmctldLogFile=$LAB/log/slurmctld.log
SlurmdLogFile=$LAB/log/%n.log
PlugStackConfig=$LAB/plugstack.conf
MpiDefault=none
SwitchType=switch/none
# without cgroups, processes are tracked by parentage and memory by looking every 2 s
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=5,batch_sched_delay=0
PropagateResourceLimitsExcept=MEMLOCK
SlurmdTimeout=15
SlurmctldTimeout=30
KillWait=3
ReturnToService=2
JobRequeue=0
DefMemPerCPU=512
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((PORT + 1))
AccountingStoragePass=$LAB/munge/socket
AccountingStorageEnforce=limits
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu
CONF
        for i in "${!NODES[@]}"; do
            echo "NodeName=${NODES[i]} NodeHostname=$host NodeAddr=127.0.0.1 Port=$((PORT + 2 + i))" \
                "CPUs=2 RealMemory=64000 Gres=gpu:1"
        done
        echo "PartitionName=cpu Nodes=ALL Default=YES DefaultTime=10"
        echo "PartitionName=gpu Nodes=ALL DefaultTime=10"
    } >"$LAB/slurm.conf"
    (umask 077; cat "$LAB/common.conf" - >"$LAB/slurmdbd.conf" <<CONF
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=$((PORT + 1))
AuthInfo=socket=$LAB/munge/socket
PidFile=$LAB/run/own.slurmdbd
LogFile=$LAB/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
CONF
    )
}

link_configuration() {
    mkdir -p "${ETC%/*}"
    [ -e "$ETC" ] || rm -f "$ETC" # a link that a killed test left
    ln -s "$SLURM_CONF" "$ETC" 2>/dev/null || cannot "$ETC exists: this machine has a Slurm of its own"
}

# ---- daemons ----
controller_answers() { scontrol ping | grep -q UP; }
munge_works() { munge -S "$LAB/munge/socket" -n | unmunge -S "$LAB/munge/socket"; }
node_usable() { sinfo -h -n "$1" -p cpu -o %T | grep -qxE 'idle|mixed|allocated|completing'; }
sql() { mariadb --no-defaults --socket="$MYSQL_UNIX_PORT" --user=root -e "$1"; }

start_munge() {
    [ -s "$LAB/munge/key" ] || (umask 077; head -c 128 /dev/urandom >"$LAB/munge/key")
    launch munged munged --foreground --force --key-file="$LAB/munge/key" --socket="$LAB/munge/socket" \
        --pid-file="$LAB/munge/pid" --seed-file="$LAB/munge/seed" --log-file="$LAB/log/munged.log"
    wait_for munged munge_works
}

start_database() {       # a Unix socket in a folder that only root may enter, no network
    mariadb-install-db --no-defaults --datadir="$LAB/mysql/data" --user=root --skip-test-db \
        --auth-root-authentication-method=normal >"$LAB/log/mariadb-install" 2>&1
    launch mariadbd mariadbd --no-defaults --user=root --datadir="$LAB/mysql/data" --skip-networking \
        --socket="$MYSQL_UNIX_PORT" --pid-file="$LAB/mysql/pid" --skip-log-bin --performance-schema=OFF \
        --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=2
    wait_for mariadbd sql "CREATE DATABASE IF NOT EXISTS slurm"
    launch slurmdbd env SLURM_CONF="$LAB/slurmdbd.conf" slurmdbd -D
    wait_for slurmdbd sacctmgr -n list cluster
    sacctmgr -i add cluster $CLUSTER >>"$LAB/log/sacctmgr" 2>&1
}

start_controller() {
    launch slurmctld slurmctld -D -f "$SLURM_CONF"
    wait_for slurmctld controller_answers
}

start_node() {
    launch "slurmd.$1" env METAPROBE_NODE="$LAB/$1" slurmd -D -f "$SLURM_CONF" -N "$1"
    wait_for "slurmd.$1" node_usable "$1"
}

start() {
    local packages node
    packages=$(missing)
    [ -z "$packages" ] || cannot "not installed: ${packages//$'\n'/ }"
    [ "$(id -u)" = 0 ] || cannot "starting the daemons needs root"
    configure
    link_configuration
    start_munge
    start_database
    start_controller
    for node in "${NODES[@]}"; do start_node "$node"; done
}

stop() {
    local node i name
    if pid_of slurmctld >/dev/null; then
        squeue -h -r -o %A | xargs -r scancel || true
        for ((i = 0; i < 80; i++)); do [ -z "$(squeue -h -o %A 2>/dev/null)" ] && break; sleep 0.1; done
    fi
    for node in "${NODES[@]}"; do end "slurmd.$node" TERM; kill_jobs "$node"; done
    for name in slurmctld slurmdbd mariadbd munged; do end $name TERM; done
    [ "$(readlink $ETC)" != "$SLURM_CONF" ] || rm -f $ETC
    if grep -q "$HOSTS_MARK" /etc/hosts; then        # in place, as /etc/hosts may be a mount
        local kept; kept=$(grep -v "$HOSTS_MARK" /etc/hosts); printf '%s\n' "$kept" >/etc/hosts
    fi
}

[ "${1:-}" = install ] || { [[ $LAB =~ ^/[A-Za-z0-9._/+-]{1,59}$ ]] || cannot "SLURM_LAB is '$LAB', no plain absolute path"; }
export SLURM_CONF=$LAB/slurm.conf MYSQL_UNIX_PORT=$LAB/mysql/socket

case ${1:-} in
    install) install ;;
    start) start ;;
    stop) stop ;;
    node-down) end "slurmd.$2" KILL; kill_jobs "$2" ;;
    node-up) start_node "$2" ;;
    controller-down) end slurmctld KILL ;;
    controller-up) start_controller ;;
    *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" | head -n -1 >&2; exit 2 ;;
esac
