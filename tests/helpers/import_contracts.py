"""A kind of contract for import-linter that it lacks: which libraries a package may import at all."""

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """A package imports itself, the standard library and named packages, and nothing else.

    In ``.importlinter``: ``source`` is the package, ``allowed`` the others, one a line.
    """

    source = fields.StringField()
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look at every import of every module of the package, those inside functions included."""
        may = {self.source, *self.allowed, *sys.stdlib_module_names}
        found = [
            line
            for module in sorted({self.source} | graph.find_descendants(self.source))
            for imported in sorted(graph.find_modules_directly_imported_by(module))
            if imported.split(".")[0] not in may
            for line in self._lines(graph, module, imported)
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """A line an import."""
        for line in check.metadata["found"]:
            output.print_error(f"- {line}")

    @staticmethod
    def _lines(graph: ImportGraph, module: str, imported: str) -> list[str]:
        details = graph.get_import_details(importer=module, imported=imported)
        return [f"{module} -> {imported} (l.{detail['line_number']})" for detail in details]
