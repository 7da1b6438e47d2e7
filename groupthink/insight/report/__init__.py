"""`groupthink report RUN`: what came of a run, or of each stage of a recipe that has several, in figures."""

from groupthink.insight.report.reading import read_report
from groupthink.insight.report.records import Report

__all__ = ["Report", "read_report"]
