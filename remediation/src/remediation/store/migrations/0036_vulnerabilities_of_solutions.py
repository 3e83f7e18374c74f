import django.contrib.postgres.fields
from django.db import migrations, models

_FILL = """
UPDATE store_solution SET vulnerabilities = found.vulnerabilities
FROM (
    SELECT source_id, solution, array_agg(DISTINCT vulnerability ORDER BY vulnerability) AS vulnerabilities
    FROM store_finding WHERE solution IS NOT NULL GROUP BY source_id, solution
) AS found
WHERE found.source_id = store_solution.source_id AND found.solution = store_solution.solution
"""


class Migration(migrations.Migration):
    dependencies = [
        ("store", "0035_observations_by_finding"),
    ]

    operations = [
        migrations.AddField(
            model_name="solution",
            name="vulnerabilities",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.TextField(), db_default=[], default=list, size=None
            ),
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
        migrations.RemoveIndex(
            model_name="finding",
            name="finding_solution",
        ),
    ]
