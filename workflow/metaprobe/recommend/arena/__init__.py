"""The arena: do scores of transferability order backbones better than a list by size does?"""
