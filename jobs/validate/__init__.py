"""Every refusal of a start, in one order (`jobs.validate.order`): schema, configuration, files, site, disk."""
