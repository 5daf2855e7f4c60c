package main

import (
	"fmt"
	"strconv"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

// origin is a line of the sources that a decision rests on.
type origin struct {
	what string
	at   diag.Span
}

// origins returns the lines that a decision rests on, in the order in which it was made: who may call, as whom, within
// which limits, and where the call goes. What no file says, such as gwc's own defaults, is not there.
func (d *decision) origins(places ir.Places) (list []origin) {
	key := func(what string, path ...string) bool {
		at := places.Key(path...)
		if !at.IsZero() {
			list = append(list, origin{what, at})
		}
		return !at.IsZero()
	}
	if d.route == nil {
		return nil
	}
	api := ""
	if d.route.API >= 0 {
		api = d.a.APIs[d.route.API].Name
		own := []string{"apis", api, "operations", d.route.Operation, "policies"}
		for _, policy := range []string{"auth", "timeout"} {
			if !key(policy, append(own, policy)...) {
				key(policy, "apis", api, "policies", policy)
			}
		}
		key("base path", "apis", api, "basePath")
	}
	if d.app >= 0 {
		app := &d.a.Apps[d.app]
		path := []string{"tenants", d.a.Tenants[app.Tenant].Name, "apps", app.Name}
		key("app "+d.caller(), path...)
		if d.keyID != "" {
			for i := 0; ; i++ {
				at := append(path[:len(path):len(path)], "keys", strconv.Itoa(i))
				if places.Value(at...).IsZero() {
					break
				}
				if d.isKey(i) {
					key("key "+d.keyID, at...)
				}
			}
		}
		for i := range app.Limits {
			key("limit", append(path[:len(path):len(path)], "limits", strconv.Itoa(i))...)
		}
		if d.route.Kind == artifact.RoutePassthrough {
			key("what it opens", append(path[:len(path):len(path)], "passthrough")...)
			key("provider "+d.a.Providers[d.route.Provider].Name, "providers", d.a.Providers[d.route.Provider].Name)
		} else if d.route.Kind != artifact.RouteAPI {
			key("its models", append(path[:len(path):len(path)], "models")...)
		}
	}
	if d.model != nil {
		key("model "+d.model.Name, "models", d.model.Name)
		for i, t := range d.model.Targets {
			key(fmt.Sprintf("target %d", i+1), "models", d.model.Name, "targets", strconv.Itoa(i))
			key("provider "+d.a.Providers[t.Provider].Name, "providers", d.a.Providers[t.Provider].Name)
		}
		key("attempts", "models", d.model.Name, "retry")
	} else if api != "" && len(d.endpoints) > 0 {
		name := d.a.Upstreams[d.a.APIs[d.route.API].Upstream].Name
		for i := range d.endpoints {
			key(fmt.Sprintf("endpoint %d", i+1), "upstreams", name, "endpoints", strconv.Itoa(i))
		}
	}
	return list
}

// isKey reports whether the key with which the request was made is the one at a place of its app's list. Keys of an
// artifact are in order of their hashes; their labels are unique within an app.
func (d *decision) isKey(i int) bool {
	return d.program != nil && d.programKey(i) == d.keyID
}

func (d *decision) programKey(at int) string {
	name := d.caller()
	for i := range d.program.Keys {
		k := &d.program.Keys[i]
		app := &d.program.Apps[k.App]
		if k.At == at && d.program.Tenants[app.Tenant].Name+"/"+app.Name == name {
			return k.ID
		}
	}
	return ""
}
