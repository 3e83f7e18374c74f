"""The connection."""

from insightconnect_plugin_runtime.exceptions import ConnectionTestException, PluginException
from plugin_on_halo import OnHalo


class TestConnection(OnHalo):
    def test_it_logs_in_and_reads(self) -> None:
        self.assertEqual(self.connection().test(), {"success": True})

    def test_a_wrong_secret_is_named_and_not_told(self) -> None:
        connection = self.connection(client_secret={"secretKey": "not-the-secret-at-all"})
        with self.assertRaises((ConnectionTestException, PluginException)) as raised:
            connection.test()
        self.assertIn("secret", f"{raised.exception.cause} {raised.exception.assistance}")
        self.assertNotIn("not-the-secret-at-all", f"{raised.exception} {raised.exception.data}")
