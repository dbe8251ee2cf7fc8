"""What goes into builds and what comes out of them: sources, artifacts, reports, caches."""

from __future__ import annotations

import io
import subprocess
import zipfile

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.cicd import remote
from sagelocal.cicd.codebuild.engine import Input, Order
from sagelocal.cicd.codebuild.sources import SourceError, clone

pytestmark = pytest.mark.namespaces
BUCKET = "built"

FILES = """\
version: 0.2
phases:
  build:
    commands:
      - mkdir -p out/deep && echo a > out/a.txt && echo b > out/deep/b.txt && echo c > out/c.tmp && echo d > .hidden
      - ln -s $HOST_FILE out/link && mkdir -p /root/.keep && cat /root/.keep/kept .kept/here || true
      - mkdir -p .kept && echo $CODEBUILD_BUILD_NUMBER | tee /root/.keep/kept .kept/here > /dev/null
      - printf '<testsuite name="s"><testcase name="a"/><testcase name="b"><failure/></testcase></testsuite>' > unit.xml
      - printf '<coverage><class filename="x.py"><lines><line number="1" hits="1"/></lines></class></coverage>' > c.xml
reports:
  unit: {files: [unit.xml]}
  cover: {files: ["*.xml"], base-directory: ., file-format: COBERTURAXML}
artifacts:
  files: ["out/**/*", missing]
  exclude-paths: ["**/*.tmp"]
  name: made-$NAME
  secondary-artifacts:
    Flat: {files: ["**/*"], base-directory: ou*, discard-paths: yes, exclude-paths: [c.tmp, link]}
cache: {paths: [/root/.keep/**/*, .kept]}
"""


def test_artifacts_reports_and_cache(laptop, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("of the machine")
    target = {"type": "S3", "location": BUCKET, "packaging": "ZIP"}
    laptop.project(
        "files",
        FILES.replace('["*.xml"]', "[c.xml]"),
        artifacts={**target, "path": "p", "namespaceType": "BUILD_ID", "overrideArtifactName": True},
        secondaryArtifacts=[{**target, "packaging": "NONE", "name": "flat", "artifactIdentifier": "Flat"}],
        cache={"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]},
    )
    variables = [{"name": "NAME", "value": "x"}, {"name": "HOST_FILE", "value": str(secret)}]
    build = laptop.build("files", environmentVariablesOverride=variables)
    assert build["buildStatus"] == "SUCCEEDED", laptop.log(build)
    key = f"p/{build['id'].split(':')[1]}/made-x"
    assert build["artifacts"]["location"] == f"arn:aws:s3:::{BUCKET}/{key}"
    assert laptop.files(key) == {"out/a.txt": "a\n", "out/deep/b.txt": "b\n"}, "the link leads nowhere in a sandbox"
    (flat,) = build["secondaryArtifacts"]
    assert flat["artifactIdentifier"] == "Flat"
    listed = laptop.app.s3.list_objects_v2(Bucket=BUCKET, Prefix="flat/")["Contents"]
    assert [each["Key"] for each in listed] == ["flat/a.txt", "flat/b.txt"]

    tests, coverage = laptop.call("BatchGetReports", reportArns=build["reportArns"])["reports"]
    assert tests["reportGroupArn"].endswith(":report-group/files-unit")
    assert (tests["status"], tests["testSummary"]["statusCounts"]["FAILED"]) == ("FAILED", 1)
    assert coverage["codeCoverageSummary"]["lineCoveragePercentage"] == 100.0
    cases = laptop.call("DescribeTestCases", reportArn=tests["arn"], filter={"status": "FAILED"})["testCases"]
    assert [case["name"] for case in cases] == ["b"]
    (covered,) = laptop.call("DescribeCodeCoverages", reportArn=coverage["arn"])["codeCoverages"]
    assert covered["filePath"] == "x.py"
    assert laptop.call("ListReports", filter={"status": "FAILED"})["reports"] == [tests["arn"]]

    again = laptop.build("files", environmentVariablesOverride=variables)
    assert "\n1\n1\n" in laptop.log(again), "what the first build kept"
    laptop.call("InvalidateProjectCache", projectName="files")
    third = laptop.build("files", environmentVariablesOverride=variables)
    assert "\n2\n" not in laptop.log(third)
    assert [again["buildNumber"], third["buildNumber"]] == [2, 3]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("artifacts: {files: [x]}", "no matching artifact paths found"),
        ("artifacts: {files: [x], base-directory: dist}", "no matching base directory path found for dist"),
        ("", "no definition for artifacts in the buildspec"),
        (
            "artifacts: {files: [.here]}\nreports: {unit: {files: [x]}}",
            "Error in UPLOAD_ARTIFACTS phase: [unit: [report files not found in build]]",
        ),
    ],
)
def test_what_is_missing_at_the_end_fails_the_build(laptop, more, message):
    name = f"missing-{abs(hash(more))}"
    spec = f"version: 0.2\nphases: {{build: {{commands: [touch .here]}}}}\n{more}\n"
    laptop.project(name, spec, artifacts={"type": "S3", "location": BUCKET, "packaging": "ZIP"})
    build = laptop.build(name)
    assert build["buildStatus"] == "FAILED"
    upload = next(phase for phase in build["phases"] if phase["phaseType"] == "UPLOAD_ARTIFACTS")
    assert upload["contexts"] == [{"statusCode": "CLIENT_ERROR", "message": message}]
    if build["reportArns"]:
        (report,) = laptop.call("BatchGetReports", reportArns=build["reportArns"])["reports"]
        assert report["status"] == "INCOMPLETE" and "testSummary" not in report


MANY = """\
version: 0.2
phases:
  build:
    commands:
      - (echo "<testsuite>"; seq 600 | sed 's/.*/<testcase name="&"\\/>/') > unit.xml
      - echo '<testcase name="x"><failure/></testcase></testsuite>' >> unit.xml
reports: {many: {files: [unit.xml]}}
"""


def test_a_report_has_500_test_cases_and_the_failed_ones_are_among_them(laptop):
    laptop.project("many", MANY)
    (arn,) = laptop.build("many")["reportArns"]
    (report,) = laptop.call("BatchGetReports", reportArns=[arn])["reports"]
    assert (report["truncated"], report["testSummary"]["total"]) == (True, 601)
    first = laptop.call("DescribeTestCases", reportArn=arn, maxResults=100)
    assert first["testCases"][0]["name"] == "x" and first["nextToken"] == "100"


def test_sources_in_s3(laptop):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        script = zipfile.ZipInfo("run.sh")
        script.external_attr = 0o755 << 16
        archive.writestr(script, "#!/bin/sh\necho ran\n")
        archive.writestr("ci/spec.yml", "version: 0.2\nphases:\n  build:\n    commands: [./run.sh]\n")
    laptop.app.s3.put_object(Bucket=BUCKET, Key="in/source.zip", Body=content.getvalue())
    source = {"type": "S3", "location": f"{BUCKET}/in/source.zip", "buildspec": "ci/spec.yml"}
    laptop.project("s3", source=source)
    assert "\nran\n" in laptop.log(laptop.build("s3"))

    missing = laptop.build("s3", buildspecOverride="no.yml")
    assert missing["phases"][3]["contexts"][0]["message"].endswith("/src/no.yml: no such file or directory")
    lost = laptop.build("s3", sourceLocationOverride=f"{BUCKET}/in/other.zip")
    assert lost["phases"][3]["contexts"][0]["statusCode"] == "CLIENT_ERROR"


CLONE = """\
version: 0.2
phases:
  build:
    commands:
      - git log --format=%s && git fetch --quiet origin && git rev-parse HEAD origin/main
      - test "$(git rev-parse HEAD)" = $CODEBUILD_RESOLVED_SOURCE_VERSION
      - cat $CODEBUILD_SRC_DIR_Extra/extra.txt && echo "$STAGE" > made.txt
artifacts:
  secondary-artifacts:
    One: {files: [made.txt]}
    Two: {files: ["*.yml"]}
"""


@pytest.fixture
def commits(laptop, tmp_path):
    """Two commits on main of local/project; the first has the buildspec."""
    bare = remote.create(laptop.app.settings, "project")
    (bare / "hooks" / "post-receive").unlink(missing_ok=True)
    work = tmp_path / "work"
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]

    def git(*arguments):
        done = subprocess.run(["git", *identity, *arguments], cwd=work, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    work.mkdir()
    git("init", "--quiet", "--initial-branch=main")
    found = []
    for message in ("first", "second"):
        (work / "buildspec.yml").write_text(CLONE)
        (work / f"{message}.txt").write_text("x")
        git("add", ".")
        git("commit", "--quiet", "--message", message)
        found.append(git("rev-parse", "HEAD"))
    git("push", "--quiet", "--force", str(bare), "main")
    return found


def test_the_build_of_a_pipelines_action(laptop, commits):
    laptop.app.s3.put_object(Bucket=BUCKET, Key="extra.zip", Body=_zip({"extra.txt": "more\n"}))
    pipeline = {"source": {"type": "CODEPIPELINE"}, "artifacts": {"type": "CODEPIPELINE"}}
    laptop.project("ordered", **pipeline)
    order = Order(
        project="ordered",
        initiator="codepipeline/delivery",
        inputs=[
            Input("Source", repository="local/project", commit=commits[0]),
            Input("Extra", s3=f"s3://{BUCKET}/extra.zip"),
        ],
        primary="Source",
        outputs={"One": f"s3://{BUCKET}/o/one.zip", "Two": f"s3://{BUCKET}/o/two.zip"},
        variables=[{"name": "STAGE", "value": "staging", "type": "PLAINTEXT"}],
        token="execution-1/Build",
    )
    identifier = laptop.app.codebuild.start(order)
    assert laptop.app.codebuild.start(order) == identifier, "the same token gives the same build"
    build = laptop.ended(identifier)
    said = laptop.log(build)
    assert build["buildStatus"] == "SUCCEEDED", said
    assert build["resolvedSourceVersion"] == commits[0] and build["initiator"] == "codepipeline/delivery"
    assert f"first\n{commits[0]}\n{commits[1]}\n" in said, "history up to the commit, and origin to fetch from"
    assert laptop.files("o/one.zip") == {"made.txt": "staging\n"}
    assert list(laptop.files("o/two.zip")) == ["buildspec.yml"]
    with pytest.raises(AwsError, match="retry the stage of that pipeline"):
        laptop.call("RetryBuild", id=identifier)
    with pytest.raises(AwsError, match="Project cannot be found"):
        laptop.app.codebuild.start(Order("gone", "codepipeline/x", order.inputs, "Source"))


def test_a_repositorys_address_is_the_local_repository(laptop, commits):
    source = {"type": "GITHUB", "location": "https://github.com/team/project.git", "gitCloneDepth": 1}
    inline = "version: 0.2\nphases:\n  build:\n    commands: ['git log --format=%s', ls]\n"
    laptop.project("cloned", source={**source, "buildspec": inline}, sourceVersion="main")
    build = laptop.build("cloned")
    assert build["resolvedSourceVersion"] == commits[1]
    assert "\nsecond\n" in laptop.log(build) and "\nfirst\n" not in laptop.log(build)
    unknown = laptop.build("cloned", sourceLocationOverride="https://github.com/team/else")
    assert "none is a local git repository" in unknown["phases"][3]["contexts"][0]["message"]
    lost = laptop.build("cloned", sourceVersion="no-branch", gitCloneDepthOverride=0)
    assert "reference not found" in lost["phases"][3]["contexts"][0]["message"]


@pytest.mark.parametrize("depth", [0, 1])
def test_a_version_is_no_option_of_gits(laptop, commits, tmp_path, depth):
    made = tmp_path / "made"
    with pytest.raises(SourceError, match="reference not found"):
        bare = remote.repository(laptop.app.settings, "local/project")
        clone(bare, f"--upload-pack=touch {made};", tmp_path / "clone", depth)
    assert not made.exists()


LINKING = """\
version: 0.2
phases:
  build:
    commands:
      - mkdir kept && echo mine > kept/a.txt && ln -s . kept/self && ln -s / kept/root
      - head -c 20000000 /dev/urandom > large
      - cd /codebuild/output/tmp; (until [ -e report-0 ]; do :; done; ln -sfn $HOST_FILE artifact-0) &
reports: {unit: {files: [large]}}
artifacts: {files: [kept/**/*]}
"""


def test_a_link_in_the_place_of_a_packed_artifact_leads_nowhere(laptop, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("of the machine")
    target = {"type": "S3", "location": BUCKET, "packaging": "ZIP", "name": "linked"}
    laptop.project("linking", LINKING, artifacts=target)
    build = laptop.build("linking", environmentVariablesOverride=[{"name": "HOST_FILE", "value": str(secret)}])
    assert build["artifacts"]["location"], laptop.log(build)
    assert laptop.files("linked") == {"kept/a.txt": "mine\n"}


def test_projects_have_no_cache_of_pips_in_common(laptop):
    command = "cat /root/.cache/pip/left || echo $CODEBUILD_BUILD_ID > /root/.cache/pip/left"
    for name in ("own", "other"):
        laptop.project(name, f"version: 0.2\nphases: {{build: {{commands: ['{command}']}}}}\n")
    first, other, again = (laptop.build(name) for name in ("own", "other", "own"))
    assert first["id"] not in laptop.log(other)
    assert f"\n{first['id']}\n" in laptop.log(again)


def test_a_zip_that_contradicts_itself_fails_its_source(laptop):
    for name, files in {"twice.zip": {"a": "", "a/b": ""}, "long.zip": {"n" * 300: ""}}.items():
        laptop.app.s3.put_object(Bucket=BUCKET, Key=name, Body=_zip(files))
        inline = "version: 0.2\nphases: {build: {commands: ['true']}}\n"
        laptop.project("odd-zip", source={"type": "S3", "location": f"{BUCKET}/{name}", "buildspec": inline})
        build = laptop.build("odd-zip")
        (context,) = build["phases"][3]["contexts"]
        assert context["statusCode"] == "CLIENT_ERROR" and "could not be unpacked" in context["message"]
        laptop.call("DeleteProject", name="odd-zip")


def _zip(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()
