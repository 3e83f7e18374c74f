"""The variables of templates, as the list beside the form tells them."""

from __future__ import annotations

from collections.abc import Mapping

# By what they are about, in the order in which people look for them.
MEANINGS: Mapping[str, Mapping[str, str]] = {
    "The solution": {
        "SOL_NAME": "what to do, in a line",
        "SOL_FIX": "what to do, in full",
        "SOL_ID": "the scanner's id of it",
        "SOL_TYPE": "its kind, as patch or workaround",
        "SOL_URL": "where it is described",
        "SOL_ESTIMATE": "how long it takes",
        "SOL_COUNT": "how many solutions",
        "SOL_RISK_SCORE": "the risk of its findings",
        "SOL_RISK_REDUCTION": "the risk that it takes away",
    },
    "The vulnerabilities": {
        "SEVERITY": "the worst, as critical or high",
        "VULN_COUNT": "how many findings",
        "VULN_LIST": "titles, 20 at most",
        "CVE_LIST": "CVEs",
        "TOP_CVE": "the CVE with the highest CVSS",
        "TOP_CVSS": "the highest CVSS",
        "TOP_VPR": "the highest VPR (Tenable)",
        "TOP_EPSS": "the highest EPSS",
        "KEV": "yes, where CISA's catalogue has one",
        "RISK_SCORE": "the sum of the scanner's risk",
    },
    "The assets": {
        "ASSET_COUNT": "how many",
        "ASSET_NAME_LIST": "host names, 20 at most",
        "ASSET_IP_LIST": "addresses, 20 at most",
        "ASSET_OS_LIST": "operating systems",
        "DEVICE": "the host name, where it is one",
    },
    "The project": {
        "PROJ_NAME": "its name",
        "PROJ_ID": "its name in links",
        "PROJ_OWNER": "who is responsible",
        "PROJ_PRIORITY": "its priority, a word",
        "PROJ_DUE_DATE": "when all is due",
        "DUE_DATE": "when the ticket is due",
        "SCAN_DATE": "the day of the last scan",
        "LINK": "the address of its page",
    },
    "In the comment only": {"NEWS": "what has happened: a comment has to hold it"},
}
