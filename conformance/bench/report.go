//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Measurement is one number of one round.
type Measurement struct {
	Scenario string  `json:"scenario"`
	Variant  string  `json:"variant"`
	What     string  `json:"what"`
	Unit     string  `json:"unit"`
	Round    int     `json:"round"`
	Value    float64 `json:"value"`
}

func (b *bench) add(scenario, variant, what, unit string, round int, value float64) {
	b.rows = append(b.rows, Measurement{scenario, variant, what, unit, round, value})
}

// goal is a figure to reach: at most Limit, as a ratio to the base variant, or as it is where there is no base.
type goal struct {
	scenario, variant, what, base string
	limit                         float64
	minus                         bool // the limit is for the difference to base, not the ratio
}

var goals = []goal{
	{"plain1", "gwc", "CPU per request, 64 connections", "nginx", 1.15, false},
	{"plain1", "gwc", "CPU per request, 512 connections", "nginx", 1.15, false},
	{"plain2", "gwc", "CPU per request, 64 connections", "nginx", 1.25, false},
	{"plain2", "gwc", "CPU per request, 512 connections", "nginx", 1.25, false},
	{"api1", "gwc", "CPU per request, 64 connections", "nginx+log", 1.3, false},
	{"api1", "gwc", "CPU per request, 512 connections", "nginx+log", 1.3, false},
	{"chat", "gwc", "CPU per request, 64 connections", "nginx+log", 1.3, false},
	{"chat", "gwc translated", "CPU per request, 64 connections", "gwc", 25, true},
	{"chat", "gwc translated, 20 KB with tools", "CPU per request, 64 connections", "gwc, 20 KB with tools", 120, true},
	{"chat2", "gwc", "added p50 at 1000/s", "", 150, false},
	{"chat2", "gwc", "added p99 at 1000/s", "", 1000, false},
	{"streams", "gwc chat", "memory per stream", "", 30, false},
	{"streams", "gwc translated", "memory per stream", "", 30, false},
	{"sse", "gwc", "CPU per event", "nginx", 1.2, false},
	{"sse", "gwc chat", "CPU per event", "nginx", 1.2, false},
	{"idle", "gwc", "memory per idle connection", "", 10, false},
	{"routes", "gwc", "RSS, 64 connections", "", 60, false},
	{"build", "gwc", "gwc build, 1000 APIs, 4000 routes", "", 1500, false},
	{"build", "gwc", "start until ready, 1000 APIs, 10000 routes", "", 200, false},
	{"compile", "gwc", "cold build, 10000 APIs", "", 4000, false},
	{"compile", "gwc", "cold build, 10000 APIs: peak RSS", "", 300, false},
	{"compile", "gwc", "cold build, 100000 APIs", "", 45_000, false},
	{"compile", "gwc", "cold build, 100000 APIs: peak RSS", "", 1200, false},
	{"compile", "gwc", "growth exponent of cold builds", "", 1.1, false},
	{"compile", "gwc", "build after one file changed, 10000 APIs", "", 250, false},
	{"compile", "gwc", "run: saved until served, 1000 APIs", "", 500, false},
	{"compile", "gwc", "run: saved until diagnosed, 1000 APIs", "", 500, false},
	{"compile", "gwc", "vet of a small repository", "", 60, false},
	{"compile", "gwc", "plan of two artifacts, 10000 APIs", "", 2000, false},
}

// table shows the medians as markdown: one line for each quantity, nginx first, the gateway's ratio to it last.
func (b *bench) table() string {
	type line struct{ scenario, variant, what string }
	values := map[line][]float64{}
	units := map[line]string{}
	var order []line
	for _, m := range b.rows {
		l := line{m.Scenario, m.Variant, m.What}
		if values[l] == nil {
			order = append(order, l)
			units[l] = m.Unit
		}
		values[l] = append(values[l], m.Value)
	}
	// Quantities of a scenario together, variants in the order in which they ran.
	var sorted []line
	for _, l := range order {
		for _, m := range order {
			if m.scenario == l.scenario && m.what == l.what && !slices.Contains(sorted, m) {
				sorted = append(sorted, m)
			}
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%d CPUs, %s, %d rounds of %v, medians (least to most)\n\n", runtime.NumCPU(), runtime.Version(), b.rounds, b.secs)
	s.WriteString("| scenario | what | who | | ÷ nginx | goal |\n|---|---|---|---:|---:|---|\n")
	for _, l := range sorted {
		v := slices.Sorted(slices.Values(values[l]))
		ratio := ""
		for _, base := range []string{"nginx", "nginx+log"} {
			if x := values[line{l.scenario, base, l.what}]; x != nil && median(x) > 0 && !strings.HasPrefix(l.what, "added") {
				ratio = fmt.Sprintf("%.2f", median(v)/median(x))
			}
		}
		spread := ""
		if len(v) > 1 {
			spread = fmt.Sprintf(" (%s to %s)", number(v[0]), number(v[len(v)-1]))
		}
		verdict := ""
		for _, g := range goals {
			if g.scenario != l.scenario || g.variant != l.variant || g.what != l.what {
				continue
			}
			x, text := median(v), fmt.Sprintf("≤ %g %s", g.limit, units[l])
			if g.base != "" {
				base := values[line{l.scenario, g.base, l.what}]
				if base == nil {
					continue
				}
				if g.minus {
					x, text = x-median(base), fmt.Sprintf("≤ %s + %g %s", g.base, g.limit, units[l])
				} else {
					x, text = x/median(base), fmt.Sprintf("≤ %.2f × %s", g.limit, g.base)
				}
			}
			verdict = text + ": met"
			if x > g.limit {
				verdict = text + ": **missed**"
			}
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s %s%s | %s | %s |\n", l.scenario, l.what, l.variant, number(median(v)), units[l], spread, ratio, verdict)
	}
	return s.String()
}

func number(x float64) string {
	if x >= 1000 || x <= -1000 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	n := len(s)
	if n == 0 {
		return 0
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// save writes every measurement, for later comparison.
func (b *bench) save(file string) error {
	out, err := json.MarshalIndent(struct {
		Time         time.Time     `json:"time"`
		CPUs         int           `json:"cpus"`
		Go           string        `json:"go"`
		Rounds       int           `json:"rounds"`
		Seconds      float64       `json:"seconds"`
		Measurements []Measurement `json:"measurements"`
	}{time.Now().UTC(), runtime.NumCPU(), runtime.Version(), b.rounds, b.secs.Seconds(), b.rows}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(out, '\n'), 0o644)
}
