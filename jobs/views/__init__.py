"""Views of `jobs.status`: the table of runs, the lineage of an artefact, the trace of a document. None of them needs
torch."""
