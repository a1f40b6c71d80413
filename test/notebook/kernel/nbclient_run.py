"""Runs notebooks through nbclient, as nbconvert and papermill do, and says what became of them.
Run by nbclient.test.ts: python nbclient_run.py < jobs.json (nbclient, nbformat).
Each job holds `cells`: the sources, some as [source, seconds until nbclient interrupts it], and `options` of
NotebookClient. The answer holds per job: `error` (the name of the exception, null for none), `cells` (execution count
and outputs of each) and `kernel` (whether its process is still there, by the number that the first cell printed).
"""

import json
import os
import sys
import tempfile

import nbclient
import nbformat
from nbformat import v4


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(job):
    sources = [cell if isinstance(cell, list) else [cell, None] for cell in job["cells"]]
    cells = [v4.new_code_cell(source, metadata={"seconds": seconds}) for source, seconds in sources]
    notebook = v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "tunebook", "display_name": "TypeScript"}})
    client = nbclient.NotebookClient(
        notebook,
        timeout_func=lambda cell: cell.metadata["seconds"],
        interrupt_on_timeout=True,
        resources={"metadata": {"path": os.getcwd()}},
        **job.get("options", {}),
    )
    error = None
    try:
        client.execute()
    except Exception as problem:  # each kind is the answer
        error = type(problem).__name__
    nbformat.validate(notebook)
    with tempfile.TemporaryFile("w", encoding="utf8") as file:
        nbformat.write(notebook, file)  # what a kernel says can be saved
    pid = int(notebook.cells[0].outputs[0].text)
    return {
        "error": error,
        "cells": [{"count": cell.execution_count, "outputs": cell.outputs} for cell in notebook.cells],
        "kernel": is_running(pid),
    }


print(json.dumps([run(job) for job in json.load(sys.stdin)]))
