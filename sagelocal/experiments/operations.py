"""The operations of experiments, trials and trial components. Names are not case-sensitive, as the API reference says:
the store's key is the lower-case name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api import listing
from sagelocal.api.errors import validation
from sagelocal.api.resources import RESOURCES, Resource
from sagelocal.experiments import members, metrics

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_SUMMARY_SOURCE = {"Experiment": "ExperimentSource", "Trial": "TrialSource", "TrialComponent": "TrialComponentSource"}
_MAPS = ("Parameters", "InputArtifacts", "OutputArtifacts")
_SIMPLE = ("DisplayName", "Status", "StartTime", "EndTime")
_MOST = {"Parameters": 300, "InputArtifacts": 60, "OutputArtifacts": 60}


def create(app: SageLocal, kind: str, request: Document, **more: Any) -> Document:
    """Raises AwsError when the name is taken, in whatever case."""
    name = request[f"{kind}Name"]
    document = {key: value for key, value in request.items() if key != "Tags"}
    document = {"DisplayName": name, "CreatedBy": {}, "LastModifiedBy": {}, **document}
    return app.create(kind, document, tags=request.get("Tags"), name=name.lower(), **more)


def create_experiment(app: SageLocal, request: Document) -> Document:
    return create(app, "Experiment", request)


def create_trial(app: SageLocal, request: Document) -> Document:
    with app.store.transaction():
        experiment = app.find("Experiment", request["ExperimentName"])
        request = request | {"ExperimentName": experiment["ExperimentName"]}
        return create(app, "Trial", request, parent=experiment["_name"])


def create_trial_component(app: SageLocal, request: Document) -> Document:
    return create(app, "TrialComponent", request)


def update_experiment(app: SageLocal, request: Document) -> Document:
    return _update(app, "Experiment", request)


def update_trial(app: SageLocal, request: Document) -> Document:
    return _update(app, "Trial", request)


def _update(app: SageLocal, kind: str, request: Document) -> Document:
    found = app.find(kind, request[f"{kind}Name"])
    changes = {key: value for key, value in request.items() if key != f"{kind}Name"}
    return app.store.update(kind, found["_name"], changes)


def update_trial_component(app: SageLocal, request: Document) -> Document:
    """Parameters and artifacts are added to those there are; then the ones to remove go."""
    found = app.find("TrialComponent", request["TrialComponentName"])

    def edit(document: Document) -> None:
        for name in _MAPS:
            if name in request or f"{name}ToRemove" in request:
                merged = document.get(name, {}) | request.get(name, {})
                gone = request.get(f"{name}ToRemove", ())
                document[name] = {key: value for key, value in merged.items() if key not in gone}
                if len(document[name]) > _MOST[name]:
                    raise validation(f"A trial component can have at most {_MOST[name]} {name}.")
        document |= {name: request[name] for name in _SIMPLE if name in request}

    return app.store.update("TrialComponent", found["_name"], edit=edit)


def delete_experiment(app: SageLocal, request: Document) -> Document:
    with app.store.transaction():
        experiment = app.find("Experiment", request["ExperimentName"])
        if left := app.store.page("Trial", parent=experiment["_name"], limit=1):
            raise validation(
                f"Experiment '{experiment['ExperimentArn']}' still has trials, {left[0]['TrialName']} for one: delete "
                "them first."
            )
        app.store.delete("Experiment", experiment["_name"])
    return experiment


def delete_trial(app: SageLocal, request: Document) -> Document:
    with app.store.transaction():
        trial = app.find("Trial", request["TrialName"])
        if left := app.store.page(members.OF_TRIAL, parent=trial["_name"], limit=1):
            raise validation(
                f"Trial '{trial['TrialArn']}' still has trial components, {left[0]['TrialComponentName']} for one: "
                "disassociate them first."
            )
        app.store.delete("Trial", trial["_name"])
    return trial


def delete_trial_component(app: SageLocal, request: Document) -> Document:
    with app.store.transaction():
        component = app.find("TrialComponent", request["TrialComponentName"])
        if parents := component.get("_parents"):
            trials = ", ".join(one["TrialName"] for one in parents)
            raise validation(
                f"Trial component '{component['TrialComponentArn']}' is still in the trials {trials}: disassociate it "
                "first."
            )
        for source in component.get("Sources", [component["Source"]] if "Source" in component else []):
            members.unlink_source(app.store, source["SourceArn"].lower(), component["_name"])
        metrics.delete(app.store, component["_name"])
        app.store.delete("TrialComponent", component["_name"])
    return component


def describe_trial_component(app: SageLocal, request: Document) -> Document:
    component = app.find("TrialComponent", request["TrialComponentName"])
    return component | {"Metrics": metrics.summaries(component)}


def associate_trial_component(app: SageLocal, request: Document) -> Document:
    with app.store.transaction():
        component = app.find("TrialComponent", request["TrialComponentName"])
        trial = app.find("Trial", request["TrialName"])
        members.add(app, component, trial)
    return component | trial


def disassociate_trial_component(app: SageLocal, request: Document) -> Document:
    with app.store.transaction():
        component = app.find("TrialComponent", request["TrialComponentName"])
        trial = app.find("Trial", request["TrialName"])
        members.remove(app, component, trial)
    return component | trial


def list_experiments(app: SageLocal, request: Document) -> Document:
    return _summaries("Experiment", listing.stored(app.store, RESOURCES["Experiment"], request))


def list_trials(app: SageLocal, request: Document) -> Document:
    if "TrialComponentName" in request:
        return _trials_of_component(app, request)
    parent = app.find("Experiment", request["ExperimentName"])["_name"] if "ExperimentName" in request else None
    return _summaries("Trial", listing.stored(app.store, RESOURCES["Trial"], request, parent))


def _trials_of_component(app: SageLocal, request: Document) -> Document:
    """A component is in few trials, which it keeps itself."""
    component = app.find("TrialComponent", request["TrialComponentName"])
    found = members.trials_of(app.store, component)
    if "ExperimentName" in request:
        experiment = app.find("Experiment", request["ExperimentName"])["ExperimentName"]
        found = [trial for trial in found if trial["ExperimentName"] == experiment]
    found = [
        trial
        for trial in found
        if request.get("CreatedAfter", 0) < trial["CreationTime"] < request.get("CreatedBefore", float("inf"))
    ]
    by = "TrialName" if request.get("SortBy") == "Name" else "CreationTime"
    found.sort(key=lambda trial: trial[by], reverse=request.get("SortOrder", "Descending") == "Descending")
    return _summaries("Trial", listing.page(request, found, "TrialSummaries"))


def list_trial_components(app: SageLocal, request: Document) -> Document:
    filters = [name for name in ("ExperimentName", "TrialName", "SourceArn") if name in request]
    if len(filters) > 1:
        raise validation(f"Give only one of ExperimentName, TrialName and SourceArn, not {' and '.join(filters)}.")
    resource = RESOURCES["TrialComponent"]
    if not filters:
        return _summaries("TrialComponent", listing.stored(app.store, resource, request))
    links, parent = _links(app, request)
    by = "TrialComponentName" if request.get("SortBy") == "Name" else "CreationTime"
    row = Resource(links, "", resource.summaries, order="Descending")
    answer = listing.stored(app.store, row, request | {"SortBy": by}, parent)
    found = (app.store.find("TrialComponent", entry["TrialComponentName"]) for entry in answer[resource.summaries])
    return _summaries("TrialComponent", answer | {resource.summaries: [component for component in found if component]})


def _links(app: SageLocal, request: Document) -> tuple[str, str]:
    if "SourceArn" in request:
        return members.OF_SOURCE, request["SourceArn"].lower()
    if "TrialName" in request:
        return members.OF_TRIAL, app.find("Trial", request["TrialName"])["_name"]
    return members.OF_EXPERIMENT, app.find("Experiment", request["ExperimentName"])["_name"]


def _summaries(kind: str, answer: Document) -> Document:
    """A summary calls its source after its kind, a description just Source."""
    name = RESOURCES[kind].summaries
    shown = [one | {_SUMMARY_SOURCE[kind]: one["Source"]} if "Source" in one else one for one in answer[name]]
    return answer | {name: shown}


OPERATIONS = {
    "CreateExperiment": create_experiment,
    "UpdateExperiment": update_experiment,
    "DeleteExperiment": delete_experiment,
    "ListExperiments": list_experiments,
    "CreateTrial": create_trial,
    "UpdateTrial": update_trial,
    "DeleteTrial": delete_trial,
    "ListTrials": list_trials,
    "CreateTrialComponent": create_trial_component,
    "DescribeTrialComponent": describe_trial_component,
    "UpdateTrialComponent": update_trial_component,
    "DeleteTrialComponent": delete_trial_component,
    "ListTrialComponents": list_trial_components,
    "AssociateTrialComponent": associate_trial_component,
    "DisassociateTrialComponent": disassociate_trial_component,
}
