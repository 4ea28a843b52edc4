"""Migration operations for what Django's models cannot say: row security, partitions, rights.

All are reversible. They run as the owner of the tables; the runtime role is ``kairos_app``, and
``kairos_definer`` owns the few functions that must read across clinics (it may not log in).
"""

from pathlib import Path
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

APP_ROLE = "kairos_app"
DEFINER_ROLE = "kairos_definer"


class _SQL(Operation):
    """A step that is SQL both ways."""

    reversible = True
    reduces_to_sql = True

    def forwards_sql(self, app_label: str, state: ProjectState) -> str:
        raise AssertionError("each operation writes its own SQL")

    def backwards_sql(self, app_label: str, state: ProjectState) -> str:
        raise AssertionError("each operation writes its own SQL")

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing that Django's state knows of changes."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        schema_editor.execute(self.forwards_sql(app_label, to_state), params=None)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        schema_editor.execute(self.backwards_sql(app_label, from_state), params=None)


class _OnTable(_SQL):
    def __init__(self, model_name: str) -> None:
        self.model_name = model_name

    def table(self, app_label: str, state: ProjectState) -> str:
        return state.apps.get_model(app_label, self.model_name)._meta.db_table

    def describe(self) -> str:
        return f"{type(self).__name__} on {self.model_name}"


class RowSecurity(_OnTable):
    """Rows are seen and written only in a scope that names their clinic.

    `column` holds the clinic's id. With `nullable`, a row without a clinic (the installation's own)
    may be written by anyone and read only in the system scope. The definer role reads all rows of
    the tables that it is granted.

    The settings stand in scalar subqueries: evaluated once a query, not once a row.
    """

    def __init__(
        self, model_name: str, *, column: str = "clinic_id", nullable: bool = False
    ) -> None:
        super().__init__(model_name)
        self.column = column
        self.nullable = nullable

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return (
            type(self).__name__,
            [self.model_name],
            {"column": self.column, "nullable": self.nullable},
        )

    def forwards_sql(self, app_label: str, state: ProjectState) -> str:
        table = self.table(app_label, state)
        seen = (
            "(SELECT current_setting('app.clinics', true) = '*') OR"
            f" {self.column} = ANY ((SELECT core_scope())::uuid[])"
        )
        written = f"{seen} OR {self.column} IS NULL" if self.nullable else seen
        return f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY {table}_scope ON {table} USING ({seen}) WITH CHECK ({written});
            CREATE POLICY {table}_definer ON {table} TO {DEFINER_ROLE} USING (true);
        """

    def backwards_sql(self, app_label: str, state: ProjectState) -> str:
        table = self.table(app_label, state)
        return f"""
            DROP POLICY {table}_definer ON {table};
            DROP POLICY {table}_scope ON {table};
            ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
            ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
        """


class PartitionByMonth(_OnTable):
    """Turn a table just created, and still empty, into one partitioned by month on its UUIDv7 id.

    Stands right after `CreateModel` in the same migration: Django's indexes and foreign keys are
    deferred to the migration's end and then attach to the partitioned table.
    """

    def forwards_sql(self, app_label: str, state: ProjectState) -> str:
        table = self.table(app_label, state)
        return f"""
            ALTER TABLE {table} RENAME TO {table}_plain;
            CREATE TABLE {table} (LIKE {table}_plain INCLUDING ALL) PARTITION BY RANGE (id);
            DROP TABLE {table}_plain;
            CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT;
            REVOKE ALL ON {table}_rest FROM {APP_ROLE};
            INSERT INTO core_partitioned (parent) VALUES ('{table}');
            SELECT core_partitions_ensure('{table}', now(), 3);
        """

    def backwards_sql(self, app_label: str, state: ProjectState) -> str:
        # CreateModel's own reverse drops the table with its partitions.
        return f"DELETE FROM core_partitioned WHERE parent = '{self.table(app_label, state)}';"


class AppendOnly(_OnTable):
    """Rows are written once: UPDATE, DELETE, TRUNCATE are refused to all, by right and by rule."""

    def forwards_sql(self, app_label: str, state: ProjectState) -> str:
        table = self.table(app_label, state)
        return f"""
            REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {APP_ROLE};
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
            CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
        """

    def backwards_sql(self, app_label: str, state: ProjectState) -> str:
        table = self.table(app_label, state)
        return f"""
            DROP TRIGGER {table}_no_truncate ON {table};
            DROP TRIGGER {table}_append_only ON {table};
            GRANT UPDATE, DELETE ON {table} TO {APP_ROLE};
        """


class GrantDefiner(_OnTable):
    """Let the definer role read a table (and, with `rights`, more)."""

    def __init__(self, model_name: str, rights: str = "SELECT") -> None:
        super().__init__(model_name)
        self.rights = rights

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [self.model_name], {"rights": self.rights}

    def forwards_sql(self, app_label: str, state: ProjectState) -> str:
        return f"GRANT {self.rights} ON {self.table(app_label, state)} TO {DEFINER_ROLE};"

    def backwards_sql(self, app_label: str, state: ProjectState) -> str:
        return f"REVOKE {self.rights} ON {self.table(app_label, state)} FROM {DEFINER_ROLE};"


class SQLFile(_SQL):
    """Run a file of SQL that stands beside the app; `undo` is the SQL that takes it back.

    The file belongs to its migration: after the first release a change is a new file and a new
    migration, as with any other.
    """

    def __init__(self, path: str, *, undo: str) -> None:
        self.path = path
        self.undo = undo

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [self.path], {"undo": self.undo}

    def describe(self) -> str:
        return f"Run {self.path}"

    def forwards_sql(self, app_label: str, state: ProjectState) -> str:
        root = Path(__file__).resolve().parent.parent.parent
        return (root / self.path).read_text(encoding="utf-8")

    def backwards_sql(self, app_label: str, state: ProjectState) -> str:
        return self.undo
