package compiler

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/gwc-dev/gwc/compiler/cache"
	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/link"
	"github.com/gwc-dev/gwc/compiler/lower"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// judgeTests checks the repository's tests. Where only their mistakes are wanted, and it is known from an earlier build
// that these tests had none beside these names, they are not evaluated again.
func judgeTests(b *build) (r diag.Report, err error) {
	known := !b.options.Rehearsal && !b.failed && b.options.Cache != nil
	var key cache.Key
	if known {
		key = testsKey(b)
		if _, ok := b.options.Cache.Get(key); ok {
			return r, nil
		}
	}
	found, r, err := check.Tests(b.ctx, b.sources)
	if err != nil {
		return r, err
	}
	b.tests = found.Tests
	if !r.Failed() && !b.failed { // Names that are wrong in the configuration were reported there.
		r.Merge(link.Tests(b.program, b.tests))
		var asserted diag.Report
		b.program, asserted = link.Asserted(b.program, lower.Assertions(found.Assertions), found.Positions)
		r.Merge(asserted)
	}
	if known && len(r.All()) == 0 && b.sources.Err() == nil {
		b.options.Cache.Put(key, nil)
	}
	return r, nil
}

// testsKey is the digest of all that the judgement of tests depends on: their files, the language, and the names that
// [link.Tests] and [link.Asserted] hold them against.
func testsKey(b *build) cache.Key {
	h := sha256.New()
	text := func(s string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	number := func(n int) { h.Write(binary.AppendVarint(nil, int64(n))) }
	text("tests")
	text(b.options.Tool)
	text(language.Digest())
	number(len(b.sources.Tests))
	for _, u := range b.sources.Tests {
		text(u.Tenant)
		if u.Broken {
			text("broken")
		}
		number(len(u.Files))
		for _, f := range u.Files {
			d, _ := b.sources.Digest(f.Path)
			text(f.Path)
			h.Write(d[:])
		}
	}
	p := b.program
	number(len(p.Tenants))
	for i := range p.Tenants {
		text(p.Tenants[i].Name)
	}
	number(len(p.Apps))
	for i := range p.Apps {
		number(p.Apps[i].Tenant)
		text(p.Apps[i].Name)
	}
	number(len(p.Keys))
	for i := range p.Keys {
		number(p.Keys[i].App)
		text(p.Keys[i].ID)
	}
	number(len(p.APIs))
	for i := range p.APIs {
		text(p.APIs[i].Name)
	}
	number(len(p.Routes))
	for i := range p.Routes {
		text(p.Routes[i].ID)
		text(p.Routes[i].Operation)
	}
	number(len(p.Providers))
	for i := range p.Providers {
		text(p.Providers[i].Name)
	}
	number(len(p.Upstreams))
	for i := range p.Upstreams {
		text(p.Upstreams[i].Name)
	}
	number(len(p.Models))
	number(len(p.Prompts))
	number(len(p.Assertions))
	for i := range p.Assertions {
		text(p.Assertions[i].Name)
	}
	for i := range p.Models {
		text(p.Models[i].Name)
		number(len(p.Models[i].Targets))
		for _, t := range p.Models[i].Targets {
			text(t.Model)
		}
	}
	return cache.Key(h.Sum(nil))
}
