from groupthink.api import Trained as Trained
from groupthink.api import evaluate as evaluate
from groupthink.api import train as train
from groupthink.records import Group as Group
from groupthink.records import Problem as Problem
from groupthink.records import Response as Response
from groupthink.task.verdict import Verdict as Verdict
