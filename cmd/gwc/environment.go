package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/schema/diag"
)

// inEach compiles a repository for each of its environments and puts the findings together: one that every environment
// has stands once, another one says where it holds. What base, the repository without any overlay, lacks is no finding:
// it is given per environment.
func (c *compiling) inEach(ctx context.Context, base *compiled, now time.Time, stopAfter string) (*compiled, error) {
	began := time.Now()
	out := *base
	out.list = nil
	out.elapsed = base.elapsed
	type finding struct {
		code    diag.Code
		at      diag.Span
		summary string
	}
	in := map[finding][]string{}
	var order []finding
	first := map[finding]diag.Diagnostic{}
	var names []string
	for _, e := range base.Sources.Environments {
		names = append(names, e.Name)
		c.env = e.Name
		r, err := c.compileOne(ctx, now, stopAfter)
		c.env = ""
		if err != nil {
			return nil, err
		}
		out.Result = r.Result
		for _, d := range r.list {
			f := finding{d.Code, d.Primary.Span, d.Summary}
			if in[f] == nil {
				order = append(order, f)
				first[f] = d
			}
			in[f] = append(in[f], e.Name)
		}
	}
	var report diag.Report
	for _, f := range order {
		d := first[f]
		if where := in[f]; len(where) < len(names) {
			d.Notes = append([]string{fmt.Sprintf("in %s only", environments(where))}, d.Notes...)
		}
		report.Add(d)
	}
	out.list = report.All()
	out.elapsed += time.Since(began)
	out.checkedIn = names
	return &out, nil
}

// environments names environments: `environment "prod"`, `environments dev, prod`.
func environments(names []string) string {
	if len(names) == 1 {
		return fmt.Sprintf("environment %q", names[0])
	}
	return "environments " + strings.Join(names, ", ")
}
