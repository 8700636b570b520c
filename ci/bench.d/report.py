"""Prints the results as tables."""

import os
import statistics

import ratios


class Printer:
    def __init__(self, chosen):
        self.markdown = chosen.markdown
        self.base = chosen.base
        self.rounds = chosen.rounds

    def setting(self, version, chosen):
        one, _, _ = os.getloadavg()
        print(f"httpd {version}, {chosen.mpm}, {chosen.threads} threads, "
              f"{chosen.connections} connections, {os.cpu_count()} CPUs, load average {one:.1f} at the start")
        if chosen.load or chosen.delayed:
            print(f"order of the servers: --seed {chosen.seed}")

    def load(self, cases, servers, results):
        for case in cases:
            base = [run.cpu_us for run in results.get((case.name, self.base), [])]
            rows = []
            for server in servers:
                # A case with members is not for all servers.
                if runs := results.get((case.name, server)):
                    cpu_us = [run.cpu_us for run in runs]
                    rows.append([
                        server,
                        f"{statistics.median(run.per_second for run in runs):,.0f}",
                        f"{statistics.median(cpu_us):,.1f}",
                        f"{statistics.median(run.switches for run in runs):.2f}",
                        *self.compared(server, cpu_us, base),
                    ])
            self.table(case.title, ["", "requests/s", "CPU µs/request", "switches/request",
                                    *self.compared_head("CPU")], rows)

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
            base = counts.get((case.name, self.base))
            for server in servers:
                if count := counts.get((case.name, server)):
                    rows.append([case.title, server, f"{count:,.0f}", f"{count / base:.3f}" if base else ""])
        self.table("Instructions per request",
                   ["", "", "instructions", f"to {self.base}"], rows)

    def compared_head(self, what):
        """The headings of what `compared` returns."""
        interval = f"{100 * ratios.reached(self.rounds):.1f} % interval" if self.rounds > 1 else "no interval"
        return [f"{what} to {self.base}", interval, ""]

    def compared(self, name, values, base):
        """The ratio of a server's values, one of each round, to those of the base in the same rounds."""
        if name == self.base or not base:
            return ["1.000" if base else "", "", ""]
        ratio = ratios.ratio([value / of for value, of in zip(values, base)])
        if self.rounds == 1:
            return [f"{ratio.median:.3f}", "", ""]
        return [f"{ratio.median:.3f}", f"{ratio.low:.3f}–{ratio.high:.3f}",
                "" if ratio.is_difference() else "no difference seen"]

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


def spread(values):
    if not values:
        return ""
    return f"{statistics.median(values):.3f} ({min(values):.3f}–{max(values):.3f})"
