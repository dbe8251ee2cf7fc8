"""The case study of any table: its chart guide, analyses of tables whose answers are known, its page and its PDF."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pypdfium2
import pytest
from pyarrow import parquet
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import case_study
import case_study_chart_guide as guide
import case_study_dependence as dependence
import case_study_matplotlib
import case_study_plotly
from case_study_bins import boxes, codes, crossed, edges
from case_study_chart_guide import Ask, choose
from case_study_correlations import correlations
from case_study_flow import losses
from case_study_leakage import leakage
from case_study_report import page
from case_study_section import Chart, Section
from case_study_shares import parts_of_wholes
from case_study_table import CaseTable
from case_study_target import relations
from case_study_texts import texts
from case_study_times import times

EVIL = "<script>alert('x')</script> & $x^"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RANDOM = np.random.default_rng(0)


def stored(folder: Path, columns: dict[str, Any], kinds: dict[str, str] | None = None, **options: Any) -> CaseTable:
    whole = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
    told = [field.with_metadata({"kind": (kinds or {}).get(field.name, "")}) for field in whole.schema]
    parquet.write_table(whole.cast(pa.schema(told)), folder / "table.parquet")
    return CaseTable(folder, **options)


class TestChartGuide:
    @pytest.mark.parametrize(
        ("ask", "kind"),
        [
            (Ask("comparison", labels=5), "bar"),
            (Ask("comparison", labels=5, y="values"), "box"),
            (Ask("comparison", labels=30, series=3), "heatmap"),
            (Ask("change", points=4), "bar"),
            (Ask("change", points=100), "line"),
            (Ask("change", points=100, series=20), "heatmap"),
            (Ask("ranking", labels=40), "bar"),
            (Ask("flow", labels=4), "waterfall"),
            (Ask("part_to_whole", labels=3), "stacked"),
            (Ask("part_to_whole", labels=20), "bar"),
            (Ask("part_to_whole", labels=20, series=4), "heatmap"),
            (Ask("distribution", labels=4), "bar"),
            (Ask("distribution", labels=500, x="number"), "histogram"),
            (Ask("distribution", labels=5, x="number"), "bar"),
            (Ask("correlation", points=500, x="number"), "scatter"),
            (Ask("correlation", points=500_000, x="number"), "heatmap"),
            (Ask("correlation", x="category"), "box"),
            (Ask("correlation", labels=12), "heatmap"),
        ],
    )
    def test_every_question_has_its_chart(self, ask: Ask, kind: str) -> None:
        assert choose(ask).kind == kind

    def test_a_skewed_number_has_a_logarithmic_axis(self) -> None:
        assert choose(Ask("distribution", labels=500, x="number", decades=4)).log
        assert not choose(Ask("distribution", labels=500, x="number", decades=1)).log

    def test_the_table_says_each_rule_and_each_question_ends_in_one_that_always_holds(self) -> None:
        shown = guide.table([Chart("flow", "waterfall", "x", {})])
        assert len(shown.rows) == len(guide.RULES)
        assert [row[4] for row in shown.rows if row[0] == "flow"] == [1]
        last = {rule.question: rule for rule in guide.RULES}
        assert all(rule.holds(Ask(question, labels=99, series=9, points=9)) for question, rule in last.items())

    def test_what_is_beyond_the_largest_adds_up(self) -> None:
        labels, values = guide.most_frequent(list("abcdef"), [1, 6, 2, 5, 3, 4], 3)
        assert (labels, values) == (["b", "d", "others (4)"], [6, 5, 10])


class TestTable:
    def test_kinds_are_told_or_seen(self, tmp_path: Path) -> None:
        words = [f"some {each} words here" for each in range(40)]
        columns = {
            "code": [f"x{each}" for each in range(40)],
            "zip": list(range(40)),
            "text": words,
            "colour": ["red", "blue"] * 20,
        }
        columns |= {
            "at": pd.date_range("2020-01-01", periods=40),
            "flag": [True, False] * 20,
            "size": np.arange(40) / 7,
        }
        table = stored(tmp_path, columns, {"zip": "category"})
        assert table.columns == {
            "code": "identifier", "zip": "category", "text": "text", "colour": "category",
            "at": "time", "flag": "boolean", "size": "number",
        }  # fmt: skip
        assert table.sample()["size"].dtype == float

    def test_a_sample_is_the_same_each_time_and_keeps_the_order_over_files(self, tmp_path: Path) -> None:
        for part in range(3):
            pd.DataFrame({"a": np.arange(part * 1000, (part + 1) * 1000)}).to_parquet(tmp_path / f"{part}.parquet")
        table = CaseTable(tmp_path)
        sample = table.sample(100)
        assert table.rows == 3000
        assert len(sample) == 100
        assert sample["a"].is_unique
        assert list(sample["a"]) == sorted(sample["a"])
        assert list(sample.index) == list(sample["a"])
        assert sample.equals(CaseTable(tmp_path).sample(100))
        assert sample["a"].max() > 2000
        assert list(table.column("a")) == list(range(3000))

    def test_what_cannot_be_looked_at_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"holds no \.parquet"):
            CaseTable(tmp_path)
        with pytest.raises(ValueError, match="target 'b' is not in the table. It has a"):
            stored(tmp_path, {"a": [1]}, target="b")
        parquet.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "table.parquet")
        with pytest.raises(ValueError, match="no rows"):
            CaseTable(tmp_path)


class TestDependence:
    def test_correlations_are_those_of_pandas_where_values_are_missing(self) -> None:
        table = pd.DataFrame(RANDOM.normal(size=(200, 4)), columns=list("abcd"))
        table["b"] += table["a"]
        table = table.mask(RANDOM.random(table.shape) < 0.2)
        np.testing.assert_allclose(dependence.pearson(table), table.corr().to_numpy(), atol=1e-12)
        whole = table.dropna()
        np.testing.assert_allclose(dependence.spearman(whole), whole.corr("spearman").to_numpy(), atol=1e-12)

    def test_a_constant_correlates_with_nothing(self) -> None:
        assert np.isnan(dependence.pearson(pd.DataFrame({"a": [1.0, 2, 3], "b": [5.0, 5, 5]}))[0, 1])

    @pytest.mark.parametrize("measure", [dependence.cramers_v, dependence.mutual_information, dependence.told])
    def test_from_nothing_to_everything(self, measure: Any) -> None:
        first = RANDOM.integers(0, 4, 4000)
        assert measure(crossed(first, first)) == pytest.approx(1, abs=1e-2)
        assert measure(crossed(first, RANDOM.integers(0, 4, 4000))) < 0.03
        assert np.isnan(measure(crossed(first, np.zeros(4000, int))))

    def test_chi_squared_is_scipys(self) -> None:
        counts = np.array([[10.0, 20, 30], [20, 10, 5], [0, 0, 0]])
        expected = stats.chi2_contingency(counts[:2], correction=False)
        assert dependence.chi_squared(counts) == (pytest.approx(expected.statistic), expected.dof)

    def test_eta_squared_is_the_share_between_groups(self) -> None:
        groups, values = np.array([0, 0, 1, 1, -1]), np.array([1.0, 3, 5, 7, 99])
        assert dependence.eta_squared(groups, values) == pytest.approx(16 / 20)

    def test_adjusted_p_values_are_scipys(self) -> None:
        p = np.array([0.01, 0.2, np.nan, 0.03, 0.5])
        expected = stats.false_discovery_control(p[~np.isnan(p)])
        np.testing.assert_allclose(dependence.discoveries(p)[[0, 1, 3, 4]], expected)


class TestBins:
    def test_whole_numbers_have_whole_steps_and_all_values_lie_inside(self) -> None:
        values = RANDOM.poisson(4, 500).astype(float)
        bounds = edges(values)
        assert np.histogram(values, bounds)[0].sum() == 500
        assert set(np.diff(bounds)) == {np.diff(bounds)[0]}
        assert edges(np.array([3.0, 3.0])).tolist() == [2.5, 3.5]

    def test_codes_keep_the_most_frequent_and_leave_out_the_missing(self) -> None:
        coded, names = codes(pd.Series([*"aaabbc", None]), "category", 2)
        assert (coded.tolist(), names) == ([0, 0, 0, 1, 1, 1, -1], ["a", "others"])
        coded, names = codes(pd.Series([1.0, 2, np.nan, 1]), "number")
        assert (coded.tolist(), names) == ([0, 1, -1, 0], ["1", "2"])

    def test_a_box_has_whiskers_at_values(self) -> None:
        box = boxes({"a": np.array([1.0, 2, 3, 4, 100])})
        assert (box["low"], box["median"], box["high"], box["outliers"]) == ([1.0], [3.0], [4.0], {"a": [100.0]})


class TestAnalyses:
    def test_correlations_see_lines_bends_copies_and_rings(self, tmp_path: Path) -> None:
        x, angle = RANDOM.normal(size=3000), RANDOM.uniform(0, 2 * np.pi, 3000)
        columns = {"x": x, "copy": 2 * x + 1, "bent": np.exp(3 * x), "east": np.cos(angle), "north": np.sin(angle)}
        section = correlations(stored(tmp_path, columns), {})
        assert section
        assert section.warnings[0] == "x and copy say nearly the same (1.00): one of them is enough."
        assert any("east and north share what no correlation shows" in each for each in section.findings)
        assert {"Pearson correlation", "Spearman correlation", "Mutual information"} <= {
            c.title for c in section.charts
        }

    def test_one_column_correlates_with_nothing(self, tmp_path: Path) -> None:
        assert correlations(stored(tmp_path, {"a": [1.0, 2.0, 3.0]}), {}) is None

    @pytest.mark.parametrize("classes", [True, False])
    def test_relations_rank_what_tells_the_target(self, tmp_path: Path, classes: bool) -> None:
        hidden = RANDOM.normal(size=2000)
        columns = {"noise": RANDOM.normal(size=2000), "strong": hidden + 0.1 * RANDOM.normal(size=2000)}
        columns |= {"weak": np.where(hidden + RANDOM.normal(size=2000) > 0, "high", "low"), "goal": hidden}
        if classes:
            columns["goal"] = np.where(hidden > 0, "yes", "no")
        section = relations(stored(tmp_path, columns, target="goal"), {})
        assert section
        table = section.tables[0]
        assert [row[0] for row in table.rows] == ["strong", "weak", "noise"]
        assert table.rows[0][5] < 1e-6 < table.rows[2][5]
        assert any("No relation to goal is shown by noise." in each for each in section.findings)

    def test_relations_refuse_a_target_that_nothing_can_explain(self, tmp_path: Path) -> None:
        section = relations(stored(tmp_path, {"a": [1.0] * 20, "b": np.arange(20.0)}, target="a"), {})
        assert section
        assert "one value only" in section.warnings[0]

    def test_leakage_finds_copies_gaps_groups_order_and_twins(self, tmp_path: Path) -> None:
        goal = np.repeat([0, 1], 300)
        columns = {"goal": goal, "copy": goal * 3 + 1, "filled_later": np.where(goal == 1, 5.0, np.nan)}
        columns |= {"goal_date": RANDOM.integers(0, 9, 600), "person": np.arange(600) // 3}
        section = leakage(stored(tmp_path, columns, {"person": "identifier"}, target="goal"), {})
        assert section
        said = " ".join(section.warnings)
        for part in ("copy predicts goal by itself", "filled_later predicts", "goal_date has goal in its name",
                     "(order of the rows) tells goal", "Rows that share person belong together"):  # fmt: skip
            assert part in said, part

    def test_twins_with_other_targets_are_counted(self, tmp_path: Path) -> None:
        columns = {"a": [1.0, 1.0, 2.0, 3.0] * 10, "b": ["x", "x", "y", "z"] * 10, "goal": ["u", "v", "u", "u"] * 10}
        section = leakage(stored(tmp_path, columns, target="goal"), {})
        assert section
        assert "20 rows have a twin with equal features and another goal." in section.findings

    def test_times_have_gaps_a_trend_and_seasons(self, tmp_path: Path) -> None:
        days = pd.date_range("2021-01-01", "2021-04-30")
        days = days[(days < "2021-02-20") | (days > "2021-03-01")]
        at = np.repeat(days, np.where(days.dayofweek < 5, np.arange(len(days)) // 4 + 3, 1))
        table = stored(tmp_path, {"at": at, "level": np.arange(len(at), dtype=float)})
        section = times(table, {})
        assert section
        assert section.tables[0].rows[0][3:7] == ("day", 120, 10, 10)
        assert "at: no records for 10 days from 2021-02-20: were they not kept?" in section.warnings
        said = " ".join(section.findings)
        assert "their number grows" in said
        assert "at: weekday" in said
        assert "level changed over at" in said

    def test_texts_have_a_language_damage_and_lists(self, tmp_path: Path) -> None:
        english = ["the house of the people was in a valley and it had a river with fish"] * 30
        columns = {"story": [f"{each} {place}" for place, each in enumerate(english)]}
        columns |= {
            "kinds": ["Drama|War", "Comedy|Drama", "War"] * 10,
            "note": [f"schÃ¶n ist es {n}" for n in range(30)],
        }
        table = stored(tmp_path, columns, {"story": "text", "kinds": "category", "note": "text"})
        section = texts(table, {})
        assert section
        assert {row[0]: row[6] for row in section.tables[0].rows} == {"story": "English", "note": "German"}
        assert "note has letters damaged by a wrong encoding in 100.0% of its values: clean them." in section.warnings
        assert any("kinds holds lists separated by “|” of 3 different parts" in each for each in section.findings)

    def test_the_flow_ends_at_complete_rows(self, tmp_path: Path) -> None:
        columns = {"a": [1.0, None, 3.0, 4.0], "b": ["x", "y", None, "x"], "empty": [None, None, None, "z"]}
        facts = {
            "columns": {"a": {"missing": 1}},
            "skipped_rows": 2,
            "duplicates": {"rows": {"repeated": 0}},
            "rows": 4,
        }
        section = losses(stored(tmp_path, columns, target="a"), facts)
        assert section
        data = section.charts[0].data
        assert data["values"] == [6, -2, 4, -1, 0, -1, 2]
        assert data["measure"] == ["absolute", "relative", "total", "relative", "relative", "relative", "total"]
        assert section.warnings == ["2 rows have too many or too few fields and are not in this report at all."]

    def test_parts_of_wholes_by_target(self, tmp_path: Path) -> None:
        columns = {"goal": ["no", "yes"] * 50, "colour": ["red", "blue"] * 50, "flat": ["same"] * 99 + ["other"]}
        section = parts_of_wholes(stored(tmp_path, columns, target="goal"), {})
        assert section
        chart = next(each for each in section.charts if each.title == "Parts of colour")
        assert chart.data["labels"] == ["all", "goal no", "goal yes"]
        assert chart.data["series"] == {"blue": [0.5, 0.0, 1.0], "red": [0.5, 1.0, 0.0]}
        assert "flat (99.0% same)" in section.warnings[0]


BINS = {"edges": [0, 1, 2], "counts": [3, 4], "curves": {"g": {"x": [0, 2], "y": [1, 3]}}}
STEPS = {"labels": ["a", "b", "c"], "values": [5, -2, 3], "measure": ["absolute", "relative", "total"]}
LONG = [f"a long name {number}" for number in range(9)]
CHARTS = [
    Chart("comparison", "bar", EVIL, {"labels": ["a", EVIL], "values": [1, 2], "low": [0, 1], "high": [2, 3]}),
    Chart("comparison", "bar", "many", {"labels": LONG, "series": {"s": list(range(9))}}),
    Chart("part_to_whole", "stacked", "parts", {"labels": ["all"], "series": {"x": [0.4], "y": [0.6]}}),
    Chart("change", "line", "course", {"x": ["2020-01-01", "2020-02-01"], "series": {"n": [1, None]}}),
    Chart("distribution", "histogram", "bins", BINS),
    Chart("distribution", "histogram", "log", {"edges": [1, 10, 100], "counts": [3, 4], "log": ["x"]}),
    Chart("comparison", "box", "box", boxes({"a": np.array([1.0, 2, 3, 4, 100]), "b": np.array([1.0, 1.5, 2])})),
    Chart("correlation", "scatter", "points", {"x": [1, 2], "y": [2, 1], "group": ["a", "b"]}),
    Chart("correlation", "heatmap", "shades", {"x": ["a", "b"], "y": ["c"], "z": [[0.5, None]], "low": -1, "high": 1}),
    Chart("flow", "waterfall", "flow", STEPS),
]  # fmt: skip


class TestPages:
    @pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: f"{chart.kind}-{chart.title[:5]}")
    def test_a_chart_is_plotlys_and_matplotlibs(self, chart: Chart) -> None:
        objects = pytest.importorskip("plotly.graph_objects")
        drawn = case_study_plotly.drawing(chart)
        assert "<script>" not in json.dumps(drawn)
        coloured = json.loads(re.sub(r'"@\w+"', '"#000000"', json.dumps(drawn)))
        objects.Figure(coloured)  # refuses what Plotly does not know
        case_study_matplotlib.figure(chart).draw_without_rendering()

    def test_plotly_is_inside_once_and_packed(self) -> None:
        code = gzip.decompress(base64.b64decode(case_study_plotly.script()))
        assert code.lstrip().startswith(b"/**\n* plotly.js")
        assert len(case_study_plotly.script()) < 2_500_000

    @pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
    def test_the_page_draws_all_charts_and_asks_nobody(self, tmp_path: Path) -> None:
        from playwright.sync_api import sync_playwright

        sections = [Section("one", EVIL, [EVIL], charts=CHARTS, findings=["A finding."], warnings=["A warning."])]
        file = tmp_path / "report.html"
        file.write_text(page(EVIL, "sub", {"rows": "3"}, sections), encoding="utf-8")
        asked, wrong = list[str](), list[str]()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
            tab.on("request", lambda request: asked.append(request.url))
            tab.on("pageerror", lambda error: wrong.append(str(error)))
            tab.goto(file.as_uri())
            for place in range(len(CHARTS)):
                host = tab.locator(f"[data-chart='{place}']")
                host.scroll_into_view_if_needed()
                host.locator("svg.main-svg").first.wait_for()
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert tab.evaluate("document.querySelector('h1').textContent") == EVIL
            browser.close()
        assert (asked, wrong) == ([file.as_uri()], [])


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script wrote of a small table with a column of each kind."""
    folder = tmp_path_factory.mktemp("study")
    hidden = RANDOM.normal(size=120)
    columns = {
        "id": [f"n-{each}" for each in range(120)],
        "goal": np.where(hidden > 0, "yes", "no"),
        "size": np.where(RANDOM.random(120) < 0.1, np.nan, hidden),
        "colour": RANDOM.choice(["red", "green", "blue"], 120),
        "at": pd.date_range("2022-01-01", periods=120),
        "note": [f"a few words about {EVIL} {each}" for each in range(120)],
    }
    (folder / "table").mkdir()
    stored(folder / "table", columns)
    options = ["--table", str(folder / "table"), "--quality", str(folder), "--output", str(folder), "--target", "goal"]
    case_study.main(case_study.parse([*options, "--title", "Small"]))
    return folder


class TestStudy:
    def test_every_analysis_works(self, studied: Path) -> None:
        found = json.loads((studied / "case_study.json").read_text())
        assert [each["title"] for each in found["sections"] if each["id"].startswith("not-done")] == []
        assert {"correlations", "target", "leakage", "times", "texts"} <= {each["id"] for each in found["sections"]}
        assert found["columns"]["at"] == "time"
        assert set(found["seconds"]) > {"report", "target.relations"}

    def test_page_and_paper_have_every_section(self, studied: Path) -> None:
        found = json.loads((studied / "case_study.json").read_text())
        html = (studied / "report.html").read_text(encoding="utf-8")
        pages = pypdfium2.PdfDocument(studied / "report.pdf")
        text = " ".join(" ".join(each.get_textpage().get_text_range().split()) for each in pages)
        for each in found["sections"]:
            assert f'id="{each["id"]}"' in html
            assert each["title"] in text
        assert "<script>alert" not in html
        outside = re.sub(r'<script type="(?:text/plain|application/json)".*?</script>', "", html, flags=re.DOTALL)
        assert not re.search(r"https?://|<link|@import", outside)

    def test_an_analysis_that_breaks_is_named_and_the_others_count(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaking(table: CaseTable, facts: dict[str, Any]) -> Section:
            raise ZeroDivisionError("no way")

        monkeypatch.setattr(case_study, "ANALYSES", (breaking, correlations))
        sections, _ = case_study.study(stored(tmp_path, {"a": [1.0, 2, 3], "b": [1.0, 2, 4]}), {})
        assert [each.id for each in sections] == [sections[0].id, "correlations"]
        assert "ended with ZeroDivisionError: no way" in sections[0].warnings[0]
