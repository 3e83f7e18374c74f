"""The structure check: it passes what is built, and finds each way in which a file may be broken."""

import pytest

from tools.workflows.references import type_at
from tools.workflows.structure import problems

from .conftest import built

CREATE = "Create_HaloITSM_Tickets_from_InsightIDR_Investigations"
FOUND = "Open_HaloITSM_Tickets_for_Newly_Found_Vulnerabilities"
REMEDIATED = "Close_HaloITSM_Tickets_for_Newly_Remediated_Vulnerabilities"


class Broken:
    """A built workflow, to be broken."""

    def __init__(self, name):
        self.content = built(name)
        self.version = self.content["kom"]["workflowVersions"][0]
        self.steps, self.graph = self.version["steps"], self.version["graph"]

    def id(self, name):
        (found,) = [node for node, step in self.steps.items() if step["name"] == name]
        return found

    def step(self, name):
        return self.steps[self.id(name)]

    def given(self, name):
        return self.step(name)["parameters"]["input"]

    def case(self, name, edge):
        cases = self.step(name)["parameters"]["stepControlParams"]
        (found,) = [case for case in cases if self.graph["edges"][case["edgeId"]]["name"] == edge]
        return found

    def edge(self, source, target=None):
        end = self.id(target) if target else ""
        edges = self.graph["edges"].values()
        (found,) = [edge for edge in edges if (edge["fromNodeId"], edge["toNodeId"]) == (self.id(source), end)]
        return found

    def tag(self, name, *path):
        return "{{" + ".".join(f"[{part}]" for part in (self.id(name), *path)) + "}}"

    def condition(self, name, edge, left, op, right, text):
        expression = {"left": left, "op": op, "right": right, "type": "binary"}
        self.case(name, edge).update(expression=expression, expressionText=text)


def variable(broken, name, field):
    return {"type": "variable", "name": f"{broken.id(name)}.{field}"}


def cut_an_edge(broken):
    del broken.graph["edges"][broken.edge("Ticket Priority", "Create Ticket")["id"]]


def lead_an_edge_nowhere(broken):
    broken.edge("Ticket Priority", "Create Ticket")["toNodeId"] = "no-such-step"


def begin_an_edge_nowhere(broken):
    broken.edge("Ticket Priority", "Create Ticket")["fromNodeId"] = "no-such-step"


def lose_a_node(broken):
    del broken.graph["nodes"][broken.id("Name the Ticket")]


def lose_a_step(broken):
    del broken.steps[broken.id("Name the Ticket")]


def give_two_steps_one_name(broken):
    broken.step("Name the Ticket")["name"] = "List Comments"


def mix_up_an_id(broken):
    broken.step("Name the Ticket")["nodeId"] = broken.id("List Comments")


def go_round_in_circles(broken):
    edge, join = broken.edge("Name the Ticket"), broken.step("Ticket Priority")
    edge["toNodeId"] = join["nodeId"]
    join["parameters"]["decisionEdgeIds"].append(edge["id"])
    join["parameters"]["variableSets"][0]["variables"][edge["id"]] = 1


def go_round_past_the_trigger(broken):
    broken.edge("Name the Ticket")["toNodeId"] = broken.id("New Investigation")


def invent_a_type_of_step(broken):
    broken.step("Name the Ticket")["type"] = "dance"


def exchange_the_trigger(broken):
    broken.content["kom"]["triggers"][0]["id"] = "another"


def merge_without_a_join(broken):
    broken.edge("Told Already")["toNodeId"] = broken.id("Report the Missing Ticket")


def forget_a_way_into_the_join(broken):
    broken.step("Ticket Priority")["parameters"]["decisionEdgeIds"].pop()


def forget_a_value_of_the_join(broken):
    broken.step("Ticket Priority")["parameters"]["variableSets"][0]["variables"].popitem()


def join_a_text_as_a_number(broken):
    values = broken.step("Ticket Priority")["parameters"]["variableSets"][0]["variables"]
    values[next(iter(values))] = "urgent"


def take_the_default_away(broken):
    broken.case("Told Already", "No").update(
        broken.case("Told Already", "Yes"), edgeId=broken.case("Told Already", "No")["edgeId"]
    )


def have_two_defaults(broken):
    broken.case("Told Already", "Yes").update(expression={}, expressionText="")


def forget_a_case(broken):
    broken.step("Told Already")["parameters"]["stepControlParams"].pop()


def refer_to_a_later_step(broken):
    broken.given("Create Ticket")["details"] = broken.tag("List Comments", "success") + " seen"


def refer_to_another_branch(broken):
    broken.given("Report the Missing Ticket")["body"] = "Told: " + broken.tag("List Comments", "success")


def refer_to_what_failed(broken):
    broken.given("Report the Missing Ticket")["body"] = "Ticket " + broken.tag("Create Ticket", "ticket", "url")


def refer_to_an_unknown_step(broken):
    broken.given("Create Ticket")["details"] = "{{[11111111-2222-3333-4444-555555555555].[title]}}"


def refer_to_an_unknown_output(broken):
    broken.given("Name the Ticket")["body"] = "Ticket " + broken.tag("Create Ticket", "ticket", "number")


def refer_to_an_unknown_field_of_a_list(broken):
    broken.step("Find Our Comment")["parameters"]["input"] = broken.step("Find Our Comment")["parameters"][
        "input"
    ].replace("{{body}}", "{{text}}")


def refer_to_an_unknown_parameter(broken):
    broken.given("Create Ticket")["tickettype_id"] = "{{$workflow.[Type]}}"


def refer_to_an_unknown_variable_of_a_pattern(broken):
    broken.given("Name the Ticket")["body"] = broken.tag("Find Our Comment", "rrn")


def leave_a_tag_open(broken):
    broken.given("Name the Ticket")["body"] = "Ticket {{[Create Ticket"


def forget_a_required_input(broken):
    del broken.given("Create Ticket")["tickettype_id"]


def empty_a_required_input(broken):
    broken.given("Create Ticket")["summary"] = ""


def give_an_unknown_input(broken):
    broken.given("Create Ticket")["title"] = "Beaconing"


def give_a_text_as_a_number(broken):
    broken.given("Create Ticket")["priority_id"] = broken.tag("New Investigation", "investigation", "priority")


def give_a_number_with_words_around_it(broken):
    broken.given("Create Ticket")["priority_id"] = "P" + broken.tag("Ticket Priority", "Priority ID")


def give_a_number_as_a_text(broken):
    broken.given("Name the Ticket")["body"] = 17


def compare_a_text_with_a_number(broken):
    left = variable(broken, "New Investigation", "investigation.priority")
    text = broken.tag("New Investigation", "investigation", "priority") + " == 1"
    broken.condition("How Urgent", "High", left, "==", {"type": "literal", "value": 1}, text)


def say_something_else_in_words(broken):
    broken.case("Told Already", "Yes")["expressionText"] = broken.tag("Create Ticket", "created") + " == true"


def forget_the_decision_on_a_failure(broken):
    broken.step("List Comments")["continueOnFailure"] = True


def end_the_rounds_on_a_failure(broken):
    broken.step("Create Ticket")["continueOnFailure"] = False


def go_over_what_is_no_list(broken):
    broken.step("Each Vulnerability")["parameters"]["repeatVariable"] = broken.tag("Vulnerabilities Found", "id")


def leave_the_loop(broken):
    broken.edge("Vulnerability Read", "Severe Enough")["parentNodeId"] = ""


def begin_the_loop_outside(broken):
    parameters = broken.step("Each Vulnerability")["parameters"]
    parameters["innerEdgeId"], parameters["nextEdgeId"] = parameters["nextEdgeId"], parameters["innerEdgeId"]


def forget_what_follows_the_loop(broken):
    del broken.graph["edges"][broken.step("Each Vulnerability")["parameters"]["nextEdgeId"]]


def refer_to_an_item_outside(broken):
    inner = broken.tag("Each Ticket", "$item", "id")
    broken.given("Find Open Tickets")["external_reference"] = inner


def refer_to_an_item_after_its_loop(broken):
    loop, after = broken.step("Each Ticket"), broken.step("Tickets Not Searched")["nodeId"]
    broken.edge("Tickets Searched", "Tickets Not Searched")["toNodeId"] = ""
    broken.graph["edges"][loop["parameters"]["nextEdgeId"]]["toNodeId"] = after
    broken.given("Tickets Not Searched")["content"] = broken.tag("Each Ticket", "$item", "id")


def refer_to_what_the_items_do_not_have(broken):
    broken.given("Close Ticket")["ticket_id"] = broken.tag("Each Ticket", "$item", "number")


def give_a_value_that_is_not_offered(broken):
    broken.given("Close Investigation")["status"] = "DONE"


BROKEN = [
    (CREATE, cut_an_edge, "is followed by 0 edges"),
    (CREATE, lead_an_edge_nowhere, "leads to 'no-such-step', which is no step"),
    (CREATE, begin_an_edge_nowhere, "begins at 'no-such-step', which is no step"),
    (CREATE, lose_a_node, "is not both a node and a step"),
    (CREATE, lose_a_step, "is not both a node and a step"),
    (CREATE, give_two_steps_one_name, "two steps have the name 'List Comments'"),
    (CREATE, mix_up_an_id, "has the nodeId"),
    (CREATE, go_round_in_circles, "goes round in circles"),
    (CREATE, go_round_past_the_trigger, "does not begin at exactly one trigger"),
    (CREATE, invent_a_type_of_step, "is of the type 'dance', which is not known here"),
    (CREATE, exchange_the_trigger, "does not belong to the trigger of the file"),
    (CREATE, merge_without_a_join, "which is no join"),
    (CREATE, forget_a_way_into_the_join, "does not join exactly the edges that lead to it"),
    (CREATE, forget_a_value_of_the_join, "has no value for some edge"),
    (CREATE, join_a_text_as_a_number, "takes 'Priority ID' as integer and is given string"),
    (CREATE, take_the_default_away, "does not have exactly one case without a condition"),
    (CREATE, have_two_defaults, "does not have exactly one case without a condition"),
    (CREATE, forget_a_case, "the cases of step 'Told Already' are not its edges"),
    (CREATE, refer_to_a_later_step, "'List Comments' does not come before it on every way"),
    (CREATE, refer_to_another_branch, "'List Comments' does not come before it on every way"),
    (CREATE, refer_to_what_failed, "'Create Ticket' may have failed on the way"),
    (CREATE, refer_to_an_unknown_step, "which is no step"),
    (CREATE, refer_to_an_unknown_output, "which step 'Create Ticket' does not give"),
    (CREATE, refer_to_an_unknown_field_of_a_list, "{{text}}, which step 'List Comments' does not give"),
    (CREATE, refer_to_an_unknown_parameter, "which is no parameter of the workflow"),
    (CREATE, refer_to_an_unknown_variable_of_a_pattern, "which step 'Find Our Comment' does not give"),
    (CREATE, leave_a_tag_open, "has a tag that is not closed"),
    (CREATE, forget_a_required_input, "is not given its input 'tickettype_id'"),
    (CREATE, empty_a_required_input, "is not given its input 'summary'"),
    (CREATE, give_an_unknown_input, "is given 'title', which is none of its inputs"),
    (CREATE, give_a_text_as_a_number, "takes 'priority_id' as integer and is given string"),
    (CREATE, give_a_number_with_words_around_it, "takes 'priority_id' as integer and is given string"),
    (CREATE, give_a_number_as_a_text, "takes 'body' as string and is given integer"),
    (CREATE, compare_a_text_with_a_number, "compares integer and string"),
    (CREATE, say_something_else_in_words, "has a condition that says something else than its text"),
    (CREATE, forget_the_decision_on_a_failure, "no decision on its success follows"),
    (FOUND, end_the_rounds_on_a_failure, "its failure would end the rounds that follow"),
    (FOUND, go_over_what_is_no_list, "does not go over a list"),
    (FOUND, leave_the_loop, "in another loop than its own"),
    (FOUND, begin_the_loop_outside, "is not in the loop"),
    (FOUND, forget_what_follows_the_loop, "are not one into the loop and one that follows it"),
    (REMEDIATED, refer_to_an_item_outside, "'Each Ticket' does not come before it on every way"),
    (REMEDIATED, refer_to_an_item_after_its_loop, "but is not in step 'Each Ticket'"),
    (REMEDIATED, refer_to_what_the_items_do_not_have, "which step 'Each Ticket' does not give"),
    ("Update_InsightIDR_Investigations_from_HaloITSM_Tickets", give_a_value_that_is_not_offered, "none of OPEN, INV"),
]


@pytest.mark.parametrize("name, how, told", BROKEN, ids=[how.__name__ for _, how, _ in BROKEN])
def test_a_broken_workflow_is_found_out(name, how, told):
    broken = Broken(name)
    assert problems(broken.content) == []
    how(broken)
    found = problems(broken.content)
    assert any(told in problem for problem in found), found


LISTED = {
    "definitions": {"ticket": {"type": "object", "properties": {"id": {"type": "integer"}}}},
    "properties": {
        "tickets": {"type": "array", "items": {"$ref": "#/definitions/ticket"}},
        "anything": {"type": "object"},
    },
}


@pytest.mark.parametrize(
    "path, kind",
    [
        (("tickets",), "array"),
        (("tickets", "0", "id"), "integer"),
        (("tickets", "id"), None),
        (("tickets", "0", "name"), None),
        (("anything", "at", "all"), ""),
        (("nothing",), None),
    ],
)
def test_the_type_at_a_path(path, kind):
    found = type_at(LISTED, path)
    assert (found if found is None else found.get("type", "")) == kind
