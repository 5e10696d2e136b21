#!/usr/bin/env python3
"""Compares our codec with the validator of the PyPI package `ocpp`, message by message.

    check.py CODEC_CHECK

CODEC_CHECK is the program of that name (target `codec-check`). For every message of OCPP 2.0.1 and 2.1, samples are derived from
its schema: valid ones, and one violation for each constraint on each path. Both sides must give the same verdict. A
refusal must carry the right error code and path, an accepted sample must come back with the same content and be valid
again. Samples of each version are judged by the other version's schema too. Then the texts of texts.py, where each
difference is a tolerance by name. Prints the differences and a count; exit code 0 when there are none.
"""

import json
import multiprocessing
import os
import subprocess
import sys
from decimal import Decimal

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema  # noqa: E402
import ocpp  # noqa: E402
import ocpp.messages  # noqa: E402
import samples  # noqa: E402
import texts  # noqa: E402

VERSIONS = {"v201": ("2.0.1", "ocpp2.0.1"), "v21": ("2.1", "ocpp2.1")}


def schema_folder(version):
    return os.path.join(os.path.dirname(ocpp.__file__), version, "schemas")


def names(version):
    return sorted(n.removesuffix(".json") for n in os.listdir(schema_folder(version)))


def validator(version, name):
    """The package's own, where it can make one (it knows CALL and CALLRESULT only)."""
    number = VERSIONS[version][0]
    if name.endswith("Request"):
        return ocpp.messages.get_validator(ocpp.messages.MessageType.Call, name.removesuffix("Request"), number)
    if name.endswith("Response"):
        return ocpp.messages.get_validator(ocpp.messages.MessageType.CallResult, name.removesuffix("Response"), number)
    with open(os.path.join(schema_folder(version), name + ".json"), encoding="utf-8-sig") as f:
        return jsonschema.Draft4Validator(json.load(f))


def accepts(validator, text):
    try:
        return validator.is_valid(json.loads(text.decode("utf-8")))
    except (ValueError, RecursionError):
        return False


def ask(program, records):
    """One verdict for each (version, name, JSON)."""
    lines = [f"{VERSIONS[v][1]}\t{n}\t".encode() + j + b"\x1e" for v, n, j in records]
    result = subprocess.run([program], input=b"".join(lines), stdout=subprocess.PIPE, check=True)
    answers = result.stdout.split(b"\n")[:-1]
    if len(answers) != len(records):
        raise SystemExit(f"codec-check gave {len(answers)} verdicts for {len(records)} records")
    return [a.split(b"\t", 3) for a in answers]


def content(text):
    """The JSON for comparison: numbers exactly, members in any order."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def derived(job):
    """Differences in the samples of one message, and how many samples there were."""
    program, version, name = job
    own = validator(version, name)
    other = next(v for v in VERSIONS if v != version)
    both = name in names(other)
    foreign = validator(other, name) if both else None
    all_samples = list(samples.derive(own.schema))
    encoded = [json.dumps(s.value, ensure_ascii=i % 2 == 0).encode() for i, s in enumerate(all_samples)]
    problems = []
    answers = ask(program, [(version, name, j) for j in encoded])
    for sample, text, answer in zip(all_samples, encoded, answers):
        problems += [f"{version} {name}: {sample.label} at {sample.path or '/'}: {p}: {text[:300]!r} {answer!r:.300}"
                     for p in judge(sample, text, answer, own)]
    if both:
        for text, answer in zip(encoded, ask(program, [(other, name, j) for j in encoded])):
            if accepts(foreign, text) != (answer[0] == b"ok"):
                problems.append(f"{other} {name}: sample of {version}: other verdict: {text[:300]!r} {answer!r:.300}")
    return problems, len(encoded) * (2 if both else 1), {s.code for s in all_samples}


def judge(sample, text, answer, own):
    valid = accepts(own, text)
    if valid != (sample.code is None):
        yield "the sample is not what it should be"
    if valid != (answer[0] == b"ok"):
        yield "other verdict"
    elif valid:
        if content(answer[1]) != content(text):
            yield "other content"
        if not accepts(own, answer[1]):
            yield "encoded again, it is not valid"
    elif (answer[1].decode(), answer[2].decode()) != (sample.code, sample.path):
        yield f"expected {sample.code} at {sample.path}"


def written(program):
    """Differences in the texts written by hand."""
    problems = []
    answers = ask(program, [(t.version, t.message, t.json) for t in texts.TEXTS])
    used = set()
    for text, answer in zip(texts.TEXTS, answers):
        theirs = accepts(validator(text.version, text.message), text.json)
        ours = answer[0] == b"ok"
        code = None if ours else answer[1].decode()
        found = []
        same_content = not (ours and theirs) or content(answer[1]) == content(text.json)
        if text.tolerance is None and (ours != theirs or not same_content):
            found.append("differs, and no tolerance names it")
        if text.tolerance is not None and ours == theirs and same_content:
            found.append(f"does not differ; tolerance {text.tolerance} is out of date")
        if code != text.code:
            found.append(f"expected {text.code}")
        used.add(text.tolerance)
        problems += [f"text: {text.label}: {p}: {text.json[:200]!r} {answer!r:.300}" for p in found]
    problems += [f"tolerance {n} is not shown by any text" for n in texts.TOLERANCES if n not in used]
    problems += [f"tolerance {n} is not in the table" for n in used - set(texts.TOLERANCES) - {None}]
    return problems, len(texts.TEXTS), set()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    program = sys.argv[1]
    jobs = [(program, v, n) for v in VERSIONS for n in names(v)]
    with multiprocessing.Pool() as pool:
        results = pool.map(derived, jobs, chunksize=8)
    results.append(written(program))
    problems = [p for r in results for p in r[0]]
    codes = set().union(*(r[2] for r in results)) - {None}
    if codes != {samples.TYPE, samples.PROPERTY, samples.OCCURRENCE}:
        problems.append(f"the samples violate {sorted(codes)} only")
    for problem in problems[:100]:
        print(problem)
    print(f"{len(jobs)} messages, {sum(r[1] for r in results)} samples, {len(texts.TOLERANCES)} tolerances, "
          f"{len(problems)} differences")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
