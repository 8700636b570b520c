"""Prints the results as tables."""

import os
import statistics


class Printer:
    def __init__(self, markdown, base):
        self.markdown = markdown
        self.base = base

    def setting(self, version, chosen):
        one, _, _ = os.getloadavg()
        print(f"httpd {version}, {chosen.mpm}, {chosen.threads} threads, "
              f"{chosen.connections} connections, {os.cpu_count()} CPUs, load average {one:.1f} at the start")

    def load(self, cases, servers, results):
        for case in cases:
            rows = []
            for server in servers:
                runs = results[case.name, server.name]
                base = results.get((case.name, self.base))
                rows.append([
                    server.name,
                    f"{statistics.median(run.per_second for run in runs):,.0f}",
                    f"{statistics.median(run.cpu_us for run in runs):,.1f}",
                    f"{statistics.median(run.switches for run in runs):.2f}",
                    spread([run.cpu_us / of.cpu_us for run, of in zip(runs, base)] if base else []),
                ])
            self.table(case.title, ["", "requests/s", "CPU µs/request", "switches/request",
                                    f"CPU to {self.base} (lowest–highest)"], rows)

    def system_calls(self, case, calls):
        names = {name for counts in calls.values() for name, count in counts.items() if count >= 0.01}
        often = lambda name: max(counts.get(name, 0) for counts in calls.values())
        rows = [[name] + [f"{counts.get(name, 0):.2f}" for counts in calls.values()]
                for name in sorted(names, key=often, reverse=True)]
        rows.append(["all"] + [f"{sum(counts.values()):.2f}" for counts in calls.values()])
        self.table(f"{case.title}: system calls per request", [""] + list(calls), rows)

    def instructions(self, cases, servers, counts):
        rows = []
        for case in cases:
            for server in servers:
                count, base = counts[case.name, server], counts.get((case.name, self.base))
                rows.append([case.title, server, f"{count:,.0f}",
                             f"{count / base:.3f}" if base else ""])
        self.table("Instructions per request",
                   ["", "", "instructions", f"to {self.base}"], rows)

    def table(self, title, head, rows):
        """Prints a table. Columns without a heading contain text, the others numbers."""
        rows = [head] + rows
        widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
        lines = [[cell.ljust(width) if not name else cell.rjust(width)
                  for cell, width, name in zip(row, widths, head)] for row in rows]
        if self.markdown:
            rule = ["-" * width if not name else "-" * (width - 1) + ":"
                    for width, name in zip(widths, head)]
            lines = [f"| {' | '.join(line)} |" for line in [lines[0], rule] + lines[1:]]
            print(f"\n**{title}**\n")
        else:
            lines = ["  " + "  ".join(line).rstrip() for line in lines]
            print(f"\n{title}")
        print("\n".join(lines), flush=True)


def spread(ratios):
    if not ratios:
        return ""
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f}–{max(ratios):.3f})"
