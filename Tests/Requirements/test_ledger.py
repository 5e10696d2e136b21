"""The requirement ledger: citations, results, verdicts, and what makes it fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Scripts/requirements.lib"))

import catalog  # noqa: E402
import evidence  # noqa: E402
import ledger  # noqa: E402
import pages  # noqa: E402

SWIFT = '''
@Suite("One")
struct OneTests {
  /// What it is about.
  // Proves: B01.FR.01, B01.FR.02,
  // B01.FR.03, TC_B_01_CS
  @Test(arguments: [1, 2]) func first(n: Int) {}

  @Test func uncited() {}  // B09.FR.01 is only mentioned
}

struct TwoTests {
  // Proves: C01.FR.01
  @Test func `with spaces`() {}
}
'''

XUNIT = """<testsuites><testsuite name="TestResults">
<testcase classname="CoreTests.OneTests" name="first(n:)" time="1" />
<testcase classname="CoreTests.OneTests" name="first(n:)" time="1"><failure message="no"/></testcase>
<testcase classname="CoreTests.TwoTests" name="`with spaces`()" time="1"><skipped/></testcase>
</testsuite></testsuites>"""

HEAD = "id,binds,feature,reason,same,note\n"


def feature(name, advertised=True):
    return catalog.Feature(name, advertised, "")


FEATURES = {"core": feature("core"), "extra": feature("extra", False)}


def one(id, binds="CS", feature="core", reason="", same="", note=""):
    return catalog.Requirement(id, binds, feature, reason, same, note)


def test(name, verdict, *ids):
    return evidence.CitedTest(name, verdict, frozenset(ids))


test.__test__ = False


def verdicts(requirements, *tests):
    return {entry.id: entry.verdict for entry in ledger.entries(requirements, FEATURES, list(tests))}


def test_citations_of_swift_belong_to_the_function_below():
    assert evidence.citations(SWIFT) == [
        ("OneTests", "first", ["B01.FR.01", "B01.FR.02", "B01.FR.03"]),
        ("TwoTests", "with spaces", ["C01.FR.01"]),
    ]


def test_a_citation_without_a_function_is_an_error():
    with pytest.raises(evidence.EvidenceError, match=":2:"):
        evidence.citations("struct A {\n  // Proves: B01.FR.01\n}\n")


def test_swift_results_join_all_arguments_of_a_function(tmp_path):
    (tmp_path / "x.xml").write_text(XUNIT)
    assert evidence.swift_results(tmp_path) == {
        ("CoreTests", "OneTests", "first"): "fail",
        ("CoreTests", "TwoTests", "with spaces"): "skipped",
    }


def test_cases_of_all_configurations_count(tmp_path):
    row = {"id": "TC_B_01_CS", "verdict": "not applicable", "requirements": ["B01.FR.01", "Part4.5.3"], "config": "a"}
    (tmp_path / "cases.json").write_text(json.dumps([row]))
    (tmp_path / "b").mkdir()
    (tmp_path / "b/cases.json").write_text(json.dumps([row | {"verdict": "pass", "config": "b"}]))
    cited = evidence.cited_cases(evidence.case_results(tmp_path))
    assert {(one.name, one.verdict) for one in cited} == {("TC_B_01_CS a", "not applicable"), ("TC_B_01_CS b", "pass")}
    assert all(one.requirements == {"B01.FR.01"} for one in cited)


def test_only_a_test_that_passed_proves():
    found = verdicts(
        [one("B01.FR.01"), one("B01.FR.02"), one("B01.FR.03"), one("B01.FR.04")],
        test("passes", "pass", "B01.FR.01", "B01.FR.02"),
        test("fails", "fail", "B01.FR.02"),
        test("not there", "not applicable", "B01.FR.03"),
    )
    assert found == {"B01.FR.01": "proved", "B01.FR.02": "failed", "B01.FR.03": "unproved", "B01.FR.04": "unproved"}


def test_the_same_text_is_proved_once():
    found = verdicts([one("B01.FR.01"), one("B01.FR.02", same="B01.FR.01")], test("t", "pass", "B01.FR.01"))
    assert found["B01.FR.02"] == "proved"
    back = verdicts([one("B01.FR.01"), one("B01.FR.02", same="B01.FR.01")], test("t", "pass", "B01.FR.02"))
    assert back == {"B01.FR.01": "unproved", "B01.FR.02": "proved"}


def test_reasons():
    found = verdicts(
        [
            one("B01.FR.01", binds="CSMS"),
            one("B01.FR.02", binds="EV"),
            one("B01.FR.03", feature="extra"),
            one("B01.FR.04", feature="!extra"),
            one("B01.FR.05", feature="!core"),
            one("B01.FR.06", reason="hardware absent", note="x"),
            one("B01.FR.07", feature="extra", reason="no text"),
        ],
        test("t", "pass", "B01.FR.04"),
    )
    assert list(found.values()) == [
        "CSMS only",
        "vehicle only",
        "not advertised",
        "proved",
        "not advertised",
        "hardware absent",
        "no text",
    ]


def test_an_id_that_does_not_exist_is_an_error():
    with pytest.raises(evidence.EvidenceError, match="typo cites B01.FR.99"):
        verdicts([one("B01.FR.01")], test("typo", "pass", "B01.FR.99"))


def test_without_any_result_nothing_is_said():
    with pytest.raises(evidence.EvidenceError, match="no results"):
        verdicts([one("B01.FR.01")], test("t", "not run", "B01.FR.01"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,binds\n", ":1: columns"),
        (HEAD + "B01.FR.01,CS,core\n", ":2: expected 6 cells"),
        (HEAD + "B1.FR.01,CS,core,,,\n", ":2: 'B1.FR.01' is no requirement id"),
        (HEAD + "B01.FR.01,CS,core,,,\nB01.FR.01,CS,core,,,\n", ":3: B01.FR.01 is there twice, also in line 2"),
        (HEAD + "B01.FR.01,?,core,,,\n", ":2: binds '\\?'"),
        (HEAD + "B01.FR.01,CS,core,lazy,,x\n", ":2: reason 'lazy'"),
        (HEAD + "B01.FR.01,CS,core,option not used,,\n", "without a note"),
        (HEAD + "B01.FR.01,CS,nothing,,,\n", ":2: feature 'nothing'"),
        (HEAD + "B01.FR.01,CS,core,,B01.FR.02,\n", ":2: same as 'B01.FR.02'"),
    ],
)
def test_a_wrong_list_names_its_line(tmp_path, text, message):
    path = tmp_path / "requirements.csv"
    path.write_text(text)
    with pytest.raises(catalog.CatalogError, match=message):
        catalog.requirements(path, FEATURES)


def test_features_are_advertised_by_a_shipped_station(tmp_path):
    def component(station, name, **values):
        properties = {
            key: {"variable_name": key, "attributes": [{"type": "Actual", "value": value}]} for key, value in values.items()
        }
        folder = tmp_path / "models" / station
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps({"name": name, "properties": properties}))

    component("one", "ACtrlr", Available=False)
    component("one", "BCtrlr", Available=False)
    component("two", "BCtrlr", Available=True)
    component("two", "Sensor")
    path = tmp_path / "features.csv"
    names = ["ACtrlr/Available", "BCtrlr/Available", "Sensor", "CCtrlr/Available", "yes", "no"]
    path.write_text("feature,advertised,note\n" + "".join(f"{name},{name},\n" for name in names))
    found = catalog.features(path, tmp_path / "models")
    assert [one.advertised for one in found.values()] == [False, True, True, False, True, False]
    path.write_text("feature,advertised,note\nx,perhaps,\n")
    with pytest.raises(catalog.CatalogError, match=":2: 'perhaps'"):
        catalog.features(path, tmp_path / "models")


def test_the_pages_hold_ids_tests_and_reasons(tmp_path):
    requirements = [one("B01.FR.01"), one("B01.FR.02", reason="hardware absent", note="no <display>"), one("C01.FR.01")]
    entries = ledger.entries(requirements, FEATURES, [test("CoreTests.A.b", "pass", "B01.FR.01")])
    content = json.loads(pages.json_text(entries, FEATURES, []))
    assert content["totals"]["B"] == {"proved": 1, "hardware absent": 1} and content["totals"]["C"] == {"unproved": 1}
    assert content["requirements"][0]["tests"] == [{"name": "CoreTests.A.b", "verdict": "pass"}]
    page = pages.html_text(entries, FEATURES, [])
    assert "CoreTests.A.b" in page and "no &lt;display&gt;" in page
    (tmp_path / "README.md").write_text(f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n")
    documents = {path.name: text for path, text in pages.documents(entries, FEATURES, tmp_path).items()}
    assert "B01.FR.02: no <display>" in documents["requirements.md"] and "C01.FR.01" not in documents["requirements.md"]
    assert documents["README.md"].startswith("before\n") and documents["README.md"].endswith("\nafter\n")
    assert "old" not in documents["README.md"] and "| B Provisioning | 1 |" in documents["README.md"]


def test_runs_of_ids_are_one():
    assert pages._short(["K01.FR.01", "K01.FR.02", "K01.FR.03", "K01.FR.05", "K02.FR.06"]) == "K01.FR.01-03, K01.FR.05, K02.FR.06"


def test_the_committed_lists_are_whole():
    features = catalog.features(ROOT / "Tests/Requirements/features.csv", ROOT / "DeviceModel")
    requirements = catalog.requirements(ROOT / "Tests/Requirements/requirements.csv", features)
    assert len(requirements) == 1297
    assert {one.block for one in requirements} == set(ledger.BLOCKS)
    # Every citation in the project is of an id that exists.
    cited = evidence.cited_swift_tests(ROOT / "Tests", ROOT / "nowhere")
    known = {one.id for one in requirements}
    assert cited and not {id for one in cited for id in one.requirements} - known


def test_the_program_says_what_is_missing(tmp_path):
    run = subprocess.run(
        [sys.executable, str(ROOT / "Scripts/requirements"), "--results", str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert run.returncode == 2 and "no results" in run.stderr
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit/x.xml").write_text(
        '<testsuites><testcase classname="StationCoreTests.ProvisioningTests" name="bootsAndReportsEveryConnector()"/></testsuites>'
    )
    command = [sys.executable, str(ROOT / "Scripts/requirements"), "--results", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert run.returncode == 1 and "\nB02.FR.01  unproved" in run.stdout and "\nB01.FR.01  " not in run.stdout
    assert json.loads((tmp_path / "conformance/conformance.json").read_text())["totals"]["B"]["proved"] > 0
    run = subprocess.run([*command, "--report"], capture_output=True, text=True, env=os.environ)
    assert run.returncode == 0
