"""The configuration: YAML files by group, and in `conf.schema` the type and meaning of every key."""
