"""Which trial components belong to which trials.

A component keeps its trials; small documents of its own, one a trial, experiment and source, let a List operation read
only the page it answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.store import Store

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
OF_TRIAL, OF_EXPERIMENT, OF_SOURCE = "TrialComponentOfTrial", "TrialComponentOfExperiment", "TrialComponentOfSource"


def add(app: SageLocal, component: Document, trial: Document) -> None:
    """Nothing happens when the component is in the trial already."""
    store = app.store
    with store.transaction():
        parents = _parents(store, component)
        if parent(trial) not in parents:
            store.update("TrialComponent", component["_name"], {"_parents": [*parents, parent(trial)]})
            list_under(store, component, trial)


def parent(trial: Document) -> Document:
    """What a component keeps of a trial that it is in, as Search shows it."""
    return {"TrialName": trial["TrialName"], "ExperimentName": trial["ExperimentName"]}


def _parents(store: Store, component: Document) -> list[Document]:
    found: list[Document] = store.get("TrialComponent", component["_name"]).get("_parents", [])
    return found


def list_under(store: Store, component: Document, trial: Document) -> None:
    link(store, OF_TRIAL, trial["_name"], component)
    link(store, OF_EXPERIMENT, trial["ExperimentName"].lower(), component)


def remove(app: SageLocal, component: Document, trial: Document) -> None:
    """Raises AwsError when the component is not in the trial."""
    store = app.store
    with store.transaction():
        parents = _parents(store, component)
        if parent(trial) not in parents:
            raise AwsError(
                "ResourceNotFound",
                f"Trial component '{component['TrialComponentArn']}' is not associated with '{trial['TrialArn']}'.",
            )
        parents.remove(parent(trial))
        store.delete(OF_TRIAL, f"{trial['_name']}/{component['_name']}")
        if all(one["ExperimentName"] != trial["ExperimentName"] for one in parents):
            store.delete(OF_EXPERIMENT, f"{trial['ExperimentName'].lower()}/{component['_name']}")
        store.update("TrialComponent", component["_name"], {"_parents": parents})


def link(store: Store, kind: str, parent: str, component: Document) -> None:
    """Lets a component be listed under `parent`."""
    name = f"{parent}/{component['_name']}"
    if store.find(kind, name) is None:
        entry = {"TrialComponentName": component["_name"], "CreationTime": component["CreationTime"]}
        store.create(kind, name, entry, parent=parent)


def unlink_source(store: Store, source: str, component: str) -> None:
    if store.find(OF_SOURCE, f"{source}/{component}"):
        store.delete(OF_SOURCE, f"{source}/{component}")


def trials_of(store: Store, component: Document) -> list[Document]:
    found = (store.find("Trial", one["TrialName"].lower()) for one in component.get("_parents", []))
    return [trial for trial in found if trial]


def components_of(store: Store, trial: str) -> list[Document]:
    """Of a trial's key, oldest first."""
    entries = store.page(OF_TRIAL, parent=trial, order="CreationTime")
    found = (store.find("TrialComponent", entry["TrialComponentName"]) for entry in entries)
    return [component for component in found if component]
