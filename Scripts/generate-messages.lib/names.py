"""Swift names for OCPP's names."""

import re

KEYWORDS = set(
    """associatedtype class deinit enum extension fileprivate func import init inout internal let open operator private
    precedencegroup protocol public rethrows static struct subscript typealias var break case catch continue default
    defer do else fallthrough for guard if in repeat return throw switch where while Any as await catch false is nil
    self Self super throws true try""".split()
)


def quoted(name):
    return f"`{name}`" if name in KEYWORDS else name


def case_name(value):
    """Energy.Active.Import.Register: energyActiveImportRegister; EVConnected: evConnected; SoC: soC; L1-N: l1N"""
    pieces = [p for p in re.split(r"[^A-Za-z0-9]+", value) if p]
    first, rest = pieces[0], pieces[1:]
    run = re.match(r"[A-Z]*", first).group()
    if len(run) > 1 and first[len(run):len(run) + 1].islower():
        run = run[:-1]
    name = run.lower() + first[len(run):] + "".join(p[0].upper() + p[1:] for p in rest)
    return "_" + name if name[0].isdigit() else name


def case_names(values):
    names = [case_name(v) for v in values]
    if len(set(names)) != len(names):
        raise ValueError(f"two values become one name: {values}")
    return names
