package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/gwc-dev/gwc/cmd/gwc/plan/revision"
	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/diag"
)

// bindNewFrom is for commands that report and change nothing.
func (c *compiling) bindNewFrom(fs *pflag.FlagSet) {
	fs.StringVar(&c.newFrom, "new-from", "", "report only findings that the repository did not have at `REVISION` of git")
}

// onlyNew drops findings that the repository had already at --new-from, and says how many. They are known by their
// fingerprints, which do not depend on lines. Where a fingerprint stands for several findings as many are dropped as
// there were: one more of the same is new.
func (c *compiling) onlyNew(ctx context.Context, r *compiled, now time.Time, s streams) error {
	if c.newFrom == "" {
		return nil
	}
	files, commit, err := revision.Read(ctx, r.root, c.newFrom)
	switch {
	case errors.Is(err, revision.ErrNoGit):
		return usage("--new-from %s is a revision of git, and the repository is not in git", c.newFrom)
	case errors.Is(err, revision.ErrUnknown):
		return usage("--new-from %s: git has no such revision", c.newFrom)
	case ctx.Err() != nil:
		return unreachable(ctx.Err())
	case err != nil:
		return unreachable(fmt.Errorf("cannot read revision %s: %w", c.newFrom, err))
	}
	c.files = files
	base, err := c.compile(ctx, now, "table")
	if e := (*load.EnvironmentError)(nil); errors.As(err, &e) {
		env := c.env // It is new itself.
		c.env = ""
		base, err = c.compile(ctx, now, "table")
		c.env = env
	}
	c.files = nil
	if err != nil {
		return err
	}
	had := map[string]int{}
	for i := range base.list {
		had[base.list[i].Fingerprint()]++
	}
	all := len(r.list)
	r.list = slices.DeleteFunc(r.list, func(d diag.Diagnostic) bool {
		f := d.Fingerprint()
		if had[f] == 0 {
			return false
		}
		had[f]--
		return true
	})
	if n := all - len(r.list); n > 0 {
		s.say("%s of %s (%.12s) not shown", render.Count(n, "finding"), c.newFrom, commit)
	}
	return nil
}
