"""All targets, by name."""

from tests.fire.fuzz import archives, arrays, logs, models, pictures, tables

FAMILIES = (pictures, arrays, archives, tables, logs, models)
TARGETS = {target.name: target for family in FAMILIES for target in family.TARGETS}
