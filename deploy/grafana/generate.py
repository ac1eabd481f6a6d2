#!/usr/bin/env python3
"""Writes the dashboard for Grafana to standard output: `deploy/grafana/generate.py > deploy/grafana/oktabus.json`.

Each panel has a title, a description, a unit and its queries; where it stands follows from the order.
"""

import json

# What is chosen at the top of the dashboard.
HERE = 'job=~"$job", instance=~"$instance"'
ROUTE = HERE + ', route=~"$route"'
RED, AMBER, GREEN = "red", "orange", "green"


def steps(*pairs):
    """Thresholds from `(value, colour)`; the first value is the lowest."""
    return [{"color": colour, "value": value} for value, colour in pairs]


def panel(kind, title, description, unit, queries, *, width=8, height=7, thresholds=None, stack=False):
    targets = [
        {"refId": chr(ord("A") + index), "expr": expr, "legendFormat": legend, "datasource": SOURCE}
        for index, (expr, legend) in enumerate(queries)
    ]
    defaults = {"unit": unit, "min": 0}
    if thresholds:
        defaults["thresholds"] = {"mode": "absolute", "steps": thresholds}
        defaults["color"] = {"mode": "thresholds"} if kind == "stat" else {"mode": "palette-classic"}
    options = {}
    if kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "fillOpacity": 10,
            "lineWidth": 1,
            "showPoints": "never",
            "stacking": {"group": "A", "mode": "normal" if stack else "none"},
        }
        options = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    if kind == "stat":
        options = {
            "colorMode": "value",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "auto",
        }
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "gridPos": {"w": width, "h": height},
    }


SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def stat(title, description, unit, expr, thresholds, legend=""):
    return panel("stat", title, description, unit, [(expr, legend)], width=4, height=4, thresholds=thresholds)


def graph(title, description, unit, *queries, **options):
    return panel("timeseries", title, description, unit, list(queries), **options)


def rate(series, by, labels=HERE):
    return f"sum by ({by}) (rate({series}{{{labels}}}[$__rate_interval]))"


def quantile(q, series, by, labels=HERE):
    return f"histogram_quantile({q}, sum by ({by}, le) (rate({series}_bucket{{{labels}}}[$__rate_interval])))"


ROWS = [
    (
        "All well?",
        [
            stat("Routes in trouble", "Routes that Okta, the sink or the state keeps from making progress. The reason is in /readyz.", "short",
                 f"sum(oktabus_route_in_trouble{{{ROUTE}}})", steps((None, GREEN), (1, RED))),
            stat("Greatest lag", "The age of the oldest event that a sink lacks, over all routes.", "s",
                 f"max(oktabus_route_lag_seconds{{{ROUTE}}})", steps((None, GREEN), (300, AMBER), (900, RED))),
            stat("Dead letters today", "Messages that could never be delivered, in 24 hours.", "short",
                 f"sum(increase(oktabus_dead_letters_total{{{ROUTE}}}[24h]))", steps((None, GREEN), (1, AMBER))),
            stat("Possible gaps today", "Times that Okta refused a link, in 24 hours: compare with Okta.", "short",
                 f"sum(increase(oktabus_possible_gaps_total{{{ROUTE}}}[24h]))", steps((None, GREEN), (1, RED))),
            stat("Commands in trouble", "Names of commands that something keeps from being carried out.", "short",
                 f"sum(oktabus_commands_in_trouble{{{HERE}}})", steps((None, GREEN), (1, RED))),
            stat("Limits tripped", "Limits of commands that wait to be released.", "short",
                 f"sum(oktabus_command_limits_tripped{{{HERE}}})", steps((None, GREEN), (1, RED))),
        ],
    ),
    (
        "Routes",
        [
            graph("Lag", "The age of the oldest event that Okta has shown, or may have, and that the sink has not proved. In a quiet org it goes up to the poll interval.", "s",
                  (f"oktabus_route_lag_seconds{{{ROUTE}}}", "{{route}}")),
            graph("Delivered", "Messages that the sinks have proved to have.", "cps",
                  (rate("oktabus_messages_delivered_total", "route", ROUTE), "{{route}}")),
            graph("Published to delivered", "How long after an event was published the sink had its message: half of them, and all but one in twenty. Old events that are read for the first time count with their age.", "s",
                  (quantile(0.5, "oktabus_delivery_latency_seconds", "route", ROUTE), "{{route}} half"),
                  (quantile(0.95, "oktabus_delivery_latency_seconds", "route", ROUTE), "{{route}} 95 %")),
            graph("In trouble, paused, held", "1 while a route makes no progress or is paused, and how many messages wait because the sink refused them.", "short",
                  (f"oktabus_route_in_trouble{{{ROUTE}}}", "{{route}} in trouble"),
                  (f"oktabus_route_paused{{{ROUTE}}}", "{{route}} paused"),
                  (f"oktabus_messages_held{{{ROUTE}}}", "{{route}} held")),
            graph("Phases", "The phase that each route is in. Of a route with a standby one daemon reads, and the other is in `standby`.", "short",
                  (f"oktabus_route_phase{{{ROUTE}}} == 1", "{{instance}} {{route}} {{phase}}")),
            graph("Failures of sinks", "Failed deliveries, which are tried again. Only transient ones pass by themselves.", "cps",
                  (rate("oktabus_sink_failures_total", "route, class", ROUTE), "{{route}} {{class}}")),
            graph("Failures of Okta", "Failed requests of routes, which are tried again. Only transient ones pass by themselves.", "cps",
                  (rate("oktabus_okta_failures_total", "route, class", ROUTE), "{{route}} {{class}}")),
            graph("Dead letters", "Messages kept because they can never be delivered, and those of them that were removed because there were too many.", "short",
                  (f"sum by (route) (increase(oktabus_dead_letters_total{{{ROUTE}}}[$__rate_interval]))", "{{route}} kept"),
                  (f"sum by (route) (increase(oktabus_dead_letters_dropped_total{{{ROUTE}}}[$__rate_interval]))", "{{route}} lost")),
            graph("Left out", "Events that the filters of routes left out, and duplicates that were dropped or that JetStream had.", "cps",
                  (rate("oktabus_events_filtered_total", "route", ROUTE), "{{route}} filtered"),
                  (rate("oktabus_overlap_duplicates_dropped_total", "route", ROUTE), "{{route}} dropped"),
                  (rate("oktabus_sink_duplicates_total", "route", ROUTE), "{{route}} had already")),
            graph("The state", "Cursors and dead letters that could not be written, and how old the cursors are.", "short",
                  (rate("oktabus_state_failures_total", "route", ROUTE), "{{route}} failures a second"),
                  (f"oktabus_cursor_age_seconds{{{ROUTE}}}", "{{route}} age of the cursor in seconds")),
        ],
    ),
    (
        "Okta",
        [
            graph("Requests", "Requests to Okta by HTTP status; none is without an answer.", "reqps",
                  (rate("oktabus_okta_requests_total", "org, status"), "{{org}} {{status}}"), stack=True),
            graph("Time of answers", "How long Okta takes until its answer begins, for 19 of 20 requests.", "s",
                  (quantile(0.95, "oktabus_okta_request_duration_seconds", "org, bucket"), "{{org}} {{bucket}}")),
            graph("Budget of the System Log", "Requests in this minute: what Okta allows, what is ours, what we and others have used.", "short",
                  (f'oktabus_rate_limit_limit{{{HERE}, bucket="logs"}}', "{{org}} limit"),
                  (f'oktabus_rate_limit_allowed{{{HERE}, bucket="logs"}}', "{{org}} allowed"),
                  (f'oktabus_rate_limit_used{{{HERE}, bucket="logs"}}', "{{org}} used"),
                  (f'oktabus_rate_limit_others{{{HERE}, bucket="logs"}}', "{{org}} others")),
            graph("Budgets of all buckets", "What of our share is used, by rate-limit bucket.", "percentunit",
                  (f"oktabus_rate_limit_used{{{HERE}}} / oktabus_rate_limit_allowed{{{HERE}}}", "{{org}} {{bucket}}")),
        ],
    ),
    (
        "Searches",
        [
            graph("Runs", "Runs of searches that are wholly delivered, and times that slots were left out.", "short",
                  (f"sum by (route) (increase(oktabus_search_runs_total{{{ROUTE}}}[$__rate_interval]))", "{{route}} runs"),
                  (f"sum by (route) (increase(oktabus_search_slots_left_out_total{{{ROUTE}}}[$__rate_interval]))", "{{route}} left out")),
            graph("Time of runs", "How long the last run took.", "s", (f"oktabus_search_run_seconds{{{ROUTE}}}", "{{route}}")),
            graph("Events found", "Events that the runs found and the routes wanted.", "cps",
                  (rate("oktabus_search_events_total", "route", ROUTE), "{{route}}")),
        ],
    ),
    (
        "Polls and doorbells",
        [
            graph("Poll interval", "The time between two polls of a stream just now, without rings.", "s",
                  (f"oktabus_poll_interval_seconds{{{HERE}}}", "{{stream}}"), width=6),
            graph("Requests of an idle hour", "What polling costs while nothing happens, as configured.", "short",
                  (f"oktabus_idle_requests_per_hour{{{HERE}}}", "{{stream}}"), width=6),
            graph("Rings", "Rings that were taken, the polls that they began, and how many of these found events.", "cps",
                  (rate("oktabus_doorbell_rings_total", "org"), "{{org}} rings"),
                  (rate("oktabus_doorbell_polls_total", "stream"), "{{stream}} polls"),
                  (rate("oktabus_doorbell_finds_total", "stream"), "{{stream}} finds"), width=6),
            graph("Refused rings", "Requests to the doorbell that were refused, by reason.", "cps",
                  (rate("oktabus_doorbell_refused_total", "org, reason"), "{{org}} {{reason}}"), width=6),
            graph("Last ring", "How long ago a doorbell was rung last; an hour of silence in a busy org means that Okta does not reach it.", "s",
                  (f"time() - (oktabus_doorbell_last_ring_timestamp_seconds{{{HERE}}} > 0)", "{{org}}"), width=12),
            graph("Time saved", "By how much earlier rings have found events than the next regular poll, all together.", "s",
                  (f"oktabus_doorbell_saved_seconds{{{HERE}}}", "{{stream}}"), width=12),
        ],
    ),
    (
        "Commands",
        [
            graph("Outcomes", "Commands that have ended, by action and status.", "cps",
                  (f"sum by (commands, action, status) (rate(oktabus_commands_total{{{HERE}}}[$__rate_interval])) > 0", "{{commands}} {{action}} {{status}}")),
            graph("Held", "Commands that are at work or wait for others, for their time or for a second key.", "short",
                  (f"oktabus_commands_held{{{HERE}}}", "{{commands}} held"),
                  (f"oktabus_commands_waiting{{{HERE}}}", "{{commands}} waiting"),
                  (f"oktabus_commands_parked{{{HERE}}}", "{{commands}} parked"),
                  (f"oktabus_commands_awaiting_approval{{{HERE}}}", "{{commands}} await approval")),
            graph("Troubles", "Failures on the way of commands, by what failed; they are tried again.", "cps",
                  (rate("oktabus_command_failures_total", "commands, what"), "{{commands}} {{what}}")),
            graph("Stopped", "1 while commands are paused, and names of protected users that are not found.", "short",
                  (f"oktabus_commands_paused{{{HERE}}}", "{{commands}} paused"),
                  (f"oktabus_command_protected_names_lost{{{HERE}}}", "{{commands}} names lost")),
            graph("Messages that are no commands", "Dead letters of the queues, those that were removed, and answers to further copies.", "short",
                  (f"sum by (commands) (increase(oktabus_command_dead_letters_total{{{HERE}}}[$__rate_interval]))", "{{commands}} dead letters"),
                  (f"sum by (commands) (increase(oktabus_command_dead_letters_dropped_total{{{HERE}}}[$__rate_interval]))", "{{commands}} lost"),
                  (f"sum by (commands) (increase(oktabus_commands_repeated_total{{{HERE}}}[$__rate_interval]))", "{{commands}} repeated"),
                  (f"sum by (commands) (increase(oktabus_commands_forgotten_early_total{{{HERE}}}[$__rate_interval]))", "{{commands}} forgotten early")),
        ],
    ),
    (
        "The process",
        [
            graph("Processor", "Processor time per second.", "percentunit",
                  (f"rate(process_cpu_seconds_total{{{HERE}}}[$__rate_interval])", "{{instance}}"), width=6),
            graph("Memory", "Memory in RAM.", "bytes", (f"process_resident_memory_bytes{{{HERE}}}", "{{instance}}"), width=6),
            graph("File descriptors", "Open file descriptors, and how many may be open.", "short",
                  (f"process_open_fds{{{HERE}}}", "{{instance}} open"), (f"process_max_fds{{{HERE}}}", "{{instance}} at most"), width=6),
            graph("Up for", "Time since the start: each fall to zero is a restart.", "s",
                  (f"time() - process_start_time_seconds{{{HERE}}}", "{{instance}}"), width=6),
            graph("Bugs", "Panics and broken invariants: each is a bug.", "short",
                  (f"sum by (task) (increase(oktabus_task_panics_total{{{HERE}}}[$__rate_interval]))", "panic in {{task}}"),
                  (f"sum by (invariant) (increase(oktabus_invariant_violations_total{{{HERE}}}[$__rate_interval]))", "{{invariant}}"), width=12),
            graph("Removed", "What the configured retention has removed: files of sinks and audits, and dead letters.", "short",
                  (f"sum by (sink) (increase(oktabus_files_removed_total{{{HERE}}}[$__rate_interval]))", "{{sink}} files"),
                  (f"sum by (commands) (increase(oktabus_audit_files_removed_total{{{HERE}}}[$__rate_interval]))", "{{commands}} audit files"),
                  (f"sum by (route) (increase(oktabus_dead_letters_expired_total{{{HERE}}}[$__rate_interval]))", "{{route}} dead letters"),
                  (f"sum by (commands) (increase(oktabus_command_dead_letters_expired_total{{{HERE}}}[$__rate_interval]))", "{{commands}} dead letters"), width=6),
            graph("Disk given back", "What the removed files of sinks took.", "bytes",
                  (f"sum by (sink) (increase(oktabus_file_bytes_removed_total{{{HERE}}}[$__rate_interval]))", "{{sink}}"), width=6),
            graph("Traces", "Spans that the collector has taken, and those that were dropped because it is away or too slow.", "cps",
                  (f"rate(oktabus_spans_exported_total{{{HERE}}}[$__rate_interval])", "{{instance}} taken"),
                  (f"rate(oktabus_spans_dropped_total{{{HERE}}}[$__rate_interval])", "{{instance}} dropped"), width=12),
            panel("stat", "Versions", "What the running binaries were built from.", "none",
                  [(f"count by (version, commit, features) (oktabus_build_info{{{HERE}}})", "{{version}} {{commit}} {{features}}")], width=12),
            graph("Reloads", "Reloads of the configuration. While the last one is refused, the file says something that is not in force.", "short",
                  (f"sum by (result) (increase(oktabus_config_reloads_total{{{HERE}}}[$__rate_interval]))", "{{result}}"),
                  (f"1 - oktabus_config_last_reload_successful{{{HERE}}}", "{{instance}} the last is refused"), width=12),
            graph("Age of the configuration", "Time since the configuration was loaded or reloaded with success.", "s",
                  (f"time() - oktabus_config_last_reload_success_timestamp_seconds{{{HERE}}}", "{{instance}}"), width=12),
        ],
    ),
]


def placed(rows):
    """The panels, from left to right and from top to bottom, with a line for each row."""
    panels, top = [], 0
    for title, members in rows:
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}})
        left, top, height = 0, top + 1, 0
        for member in members:
            width = member["gridPos"]["w"]
            if left + width > 24:
                left, top, height = 0, top + height, 0
            member["gridPos"] |= {"x": left, "y": top}
            left, height = left + width, max(height, member["gridPos"]["h"])
            panels.append(member)
        top += height
    return [panel | {"id": number} for number, panel in enumerate(panels, 1)]


def variable(name, label, query):
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


DASHBOARD = {
    "uid": "oktabus",
    "title": "oktabus",
    "description": "Okta's System Log on its way to buses, and commands on their way to Okta. Every series is explained in docs/metrics.md.",
    "tags": ["oktabus", "okta"],
    "schemaVersion": 39,
    "version": 1,
    "editable": True,
    "graphTooltip": 1,
    "refresh": "30s",
    "time": {"from": "now-6h", "to": "now"},
    "timezone": "browser",
    "annotations": {"list": []},
    "templating": {
        "list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}, "refresh": 1},
            variable("job", "Job", "label_values(oktabus_build_info, job)"),
            variable("instance", "Instance", 'label_values(oktabus_build_info{job=~"$job"}, instance)'),
            variable("route", "Route", 'label_values(oktabus_route_in_trouble{job=~"$job", instance=~"$instance"}, route)'),
        ]
    },
    "panels": placed(ROWS),
}

print(json.dumps(DASHBOARD, indent=2, ensure_ascii=False))
