package openaichat

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// Adapt appends body, a request of this dialect, as the vendor of row takes it for a model. It is the same for a
// caller's own bytes that pass through and for a request that was translated: what the row does not mention is copied as
// it stands, and where nothing has to be changed the whole is. body is valid JSON. An error has status 400 and names the
// field that the vendor does not take and without which the answer would not be what was asked for; dst is then returned
// as it was.
func Adapt(dst, body []byte, row *vendor.Row, model string) ([]byte, *dialect.Error) {
	a := adapter{row: row, model: model, body: body, dst: dst}
	c := jsonscan.Over(body)
	if c.Kind() != '{' {
		return append(dst, body...), nil
	}
	a.look(body)
	a.lit("{")
	sep := ""
	for c.Enter(); c.More() && a.err == nil; {
		key := c.Key()
		value := c.Skip()
		before := len(a.dst)
		a.lit(sep)
		from := len(a.dst)
		if a.member(key, value); len(a.dst) == from {
			a.dst = a.dst[:before]
			continue
		}
		sep = ","
	}
	a.lit("}")
	switch {
	case a.err != nil:
		return dst, a.err
	case !a.changed:
		return append(a.dst[:len(dst)], body...), nil
	}
	return a.dst, nil
}

// adapter writes a request anew.
type adapter struct {
	row     *vendor.Row
	model   string
	body    []byte
	dst     []byte
	changed bool
	walk    bool // messages have to be looked at
	err     *dialect.Error
	buf     []byte
}

func (a *adapter) lit(s string) { a.dst = append(a.dst, s...) }

// keep writes a member as it stands.
func (a *adapter) keep(key, value []byte) {
	a.dst = append(a.dst, '"')
	a.dst = append(a.dst, key...)
	a.dst = append(a.dst, `":`...)
	a.dst = append(a.dst, value...)
}

// put writes a member of the adapter's own.
func (a *adapter) put(name, value string) {
	a.changed = true
	a.lit(`"`)
	a.lit(name)
	a.lit(`":`)
	a.lit(value)
}

// rename writes a member under another name, unless the request has one of that name itself: then that one counts.
func (a *adapter) rename(name, value string) {
	if a.changed = true; memberOf(a.body, name) == nil {
		a.put(name, value)
	}
}

func (a *adapter) refuse(param, why string) {
	a.err = invalid(param, "unsupported_parameter", fmt.Sprintf("'%s' is not supported by this model's provider (%s): %s.", param, a.row.Title, why))
}

// look finds out whether messages have to be looked at. Those are walked at once where the row leaves members of theirs
// out: to search the body for each of their names costs more.
func (a *adapter) look(body []byte) {
	switch {
	case len(a.row.Members) > 0,
		a.row.Documents && bytes.Contains(body, []byte(`"file"`)),
		!a.row.Developer && bytes.Contains(body, []byte(`"developer"`)),
		a.row.Images != vendor.ImagesAny && bytes.Contains(body, []byte(`"image_url"`)),
		a.row.CallIDs > 0 && (bytes.Contains(body, []byte(`"tool_calls"`)) || bytes.Contains(body, []byte(`"tool_call_id"`))):
		a.walk = true
	}
}

// asks reports whether a value asks for anything.
func asks(value []byte) bool {
	switch string(value) {
	case "null", "false", "0", "[]", "{}", `""`, `["text"]`:
		return false
	}
	return true
}

// member writes a top-level member of the request, or nothing.
func (a *adapter) member(key, value []byte) {
	row := a.row
	name := string(key)
	if fate, ok := row.Lacks(a.model, name); ok {
		a.changed = true
		if fate == vendor.Rejected && asks(value) {
			a.refuse(string(key), "it has nothing of the kind")
		}
		return
	}
	switch name {
	case "max_tokens", "max_completion_tokens":
		if row.Limit != "" && name != row.Limit {
			a.rename(row.Limit, string(value))
			return
		}
	case "stream_options":
		if row.UsageAlways {
			a.changed = true
			return
		}
	case "reasoning_effort":
		off := string(value) == `"none"`
		switch {
		case row.Effort == vendor.EffortField:
		case row.Effort == vendor.EffortNone, value[0] != '"':
			a.changed = true
			return
		case row.Effort == vendor.EffortType && off:
			a.rename("thinking", `{"type":"disabled"}`)
			return
		case row.Effort == vendor.EffortType:
			a.rename("thinking", `{"type":"enabled"}`)
			return
		case row.Effort == vendor.EffortSwitch:
			a.rename("enable_thinking", strconv.FormatBool(!off))
			return
		}
	case "response_format":
		kind := string(memberOf(value, "type"))
		switch {
		case kind == `"json_schema"` && row.Forms == vendor.FormsObject:
			a.refuse("response_format", "it takes 'json_object' and no 'json_schema'")
		case kind == `"json_object"` && row.Forms == vendor.FormsSchema:
			a.refuse("response_format", "it takes 'json_schema' and no 'json_object'")
		}
	case "n":
		if row.OneChoice {
			if a.changed = true; string(value) != "1" && asks(value) {
				a.refuse("n", "it gives one choice")
			}
			return
		}
	case "parallel_tool_calls":
		if row.OneCall {
			if a.changed = true; string(value) == "false" {
				a.refuse("parallel_tool_calls", "its calls of tools cannot be limited to one")
			}
			return
		}
	case "temperature":
		if f, err := strconv.ParseFloat(string(value), 64); row.Hottest > 0 && err == nil && f > row.Hottest {
			a.put(name, strconv.FormatFloat(row.Hottest, 'g', -1, 64))
			return
		}
	case "tool_choice":
		if a.choice(value); a.changed && string(value) == `"required"` && row.Required != "" {
			return
		}
	case "tools":
		if value[0] == '[' && a.left("cache_control") && bytes.Contains(value, []byte(`"cache_control"`)) {
			a.lit(`"tools":`)
			a.unmarked(value, 2)
			return
		}
	case "messages":
		if a.walk && value[0] == '[' {
			a.lit(`"messages":`)
			a.messages(value)
			return
		}
	}
	if to, ok := row.Rename[name]; ok && a.err == nil {
		a.rename(to, string(value))
		return
	}
	if a.err == nil {
		a.keep(key, value)
	}
}

// choice judges tool_choice, and writes it where it has another name.
func (a *adapter) choice(value []byte) {
	kind := vendor.ChooseNamed
	switch string(value) {
	case "null":
		return
	case `"auto"`:
		kind = vendor.ChooseAuto
	case `"none"`:
		kind = vendor.ChooseNone
	case `"required"`:
		kind = vendor.ChooseRequired
	}
	if a.row.ChoiceOf()&kind == 0 {
		a.refuse("tool_choice", "it does not take this value")
		return
	}
	if kind == vendor.ChooseRequired && a.row.Required != "" {
		a.put("tool_choice", `"`+a.row.Required+`"`)
	}
}

func memberOf(raw []byte, name string) (value []byte) {
	c := jsonscan.Over(raw)
	if c.Kind() != '{' {
		return nil
	}
	for c.Enter(); c.More(); {
		if string(c.Key()) == name {
			value = c.Skip()
		} else {
			c.Skip()
		}
	}
	return value
}

// unmarked writes tools without the marks of caches, which stand in the tool or in its function; a mark that is deeper is
// a schema's.
func (a *adapter) unmarked(raw []byte, objects int) {
	c := jsonscan.Over(raw)
	switch c.Kind() {
	case '[':
		a.lit("[")
		c.Enter()
		for i := 0; c.More(); i++ {
			if i > 0 {
				a.lit(",")
			}
			a.unmarked(c.Skip(), objects)
		}
		a.lit("]")
	case '{':
		a.lit("{")
		sep := ""
		for c.Enter(); c.More(); {
			key := c.Key()
			value := c.Skip()
			if string(key) == "cache_control" && a.out(key) {
				continue
			}
			a.lit(sep)
			sep = ","
			if string(key) == "function" && value[0] == '{' && objects > 1 {
				a.lit(`"function":`)
				a.unmarked(value, objects-1)
				continue
			}
			a.keep(key, value)
		}
		a.lit("}")
	default:
		a.dst = append(a.dst, raw...)
	}
}

func (a *adapter) messages(raw []byte) {
	c := jsonscan.Over(raw)
	a.lit("[")
	c.Enter()
	for i := 0; c.More() && a.err == nil; i++ {
		if i > 0 {
			a.lit(",")
		}
		if m := c.Skip(); m[0] == '{' {
			a.message(i, m)
		} else {
			a.dst = append(a.dst, m...)
		}
	}
	a.lit("]")
}

// out reports whether a member of messages is left out.
func (a *adapter) out(key []byte) bool {
	for _, name := range a.row.Members {
		if string(key) == name {
			a.changed = true
			return true
		}
	}
	return false
}

// left reports whether a member of messages is one that is left out.
func (a *adapter) left(name string) bool { return slices.Contains(a.row.Members, name) }

func isText(raw []byte) bool { return len(raw) > 2 && raw[0] == '"' }

func (a *adapter) message(at int, raw []byte) {
	c := jsonscan.Over(raw)
	a.lit("{")
	sep := ""
	for c.Enter(); c.More() && a.err == nil; {
		key := c.Key()
		value := c.Skip()
		if a.out(key) {
			if content := memberOf(raw, "content"); string(key) == "refusal" && isText(value) && (content == nil || content[0] == 'n') {
				a.lit(sep) // what was refused is what was said
				sep = ","
				a.keep([]byte("content"), value)
			}
			continue
		}
		if string(key) == "content" && value[0] == 'n' && a.left("refusal") && isText(memberOf(raw, "refusal")) {
			continue // the refusal stands there
		}
		a.lit(sep)
		sep = ","
		switch name := string(key); {
		case name == "role" && string(value) == `"developer"` && !a.row.Developer:
			a.put("role", `"system"`)
		case name == "content" && value[0] == '[':
			a.lit(`"content":`)
			a.parts(at, value)
		case name == "tool_call_id" && a.row.CallIDs > 0 && value[0] == '"':
			a.lit(`"tool_call_id":`)
			a.id(value)
		case name == "tool_calls" && a.row.CallIDs > 0 && value[0] == '[':
			a.lit(`"tool_calls":`)
			a.calls(value)
		default:
			a.keep(key, value)
		}
	}
	a.lit("}")
}

func (a *adapter) parts(at int, raw []byte) {
	c := jsonscan.Over(raw)
	a.lit("[")
	c.Enter()
	for i := 0; c.More() && a.err == nil; i++ {
		part := c.Skip()
		if i > 0 {
			a.lit(",")
		}
		if part[0] != '{' {
			a.dst = append(a.dst, part...)
			continue
		}
		if string(memberOf(part, "type")) == `"image_url"` {
			a.image("messages["+strconv.Itoa(at)+"].content["+strconv.Itoa(i)+"].image_url", memberOf(part, "image_url"))
		}
		if data := memberOf(memberOf(part, "file"), "file_data"); a.row.Documents && len(data) > 2 && data[0] == '"' && string(memberOf(part, "type")) == `"file"` {
			a.changed = true
			a.lit(`{"type":"document_url","document_url":`)
			a.dst = append(a.dst, data...)
			if name := memberOf(memberOf(part, "file"), "filename"); len(name) > 2 && name[0] == '"' {
				a.lit(`,"document_name":`)
				a.dst = append(a.dst, name...)
			}
			a.lit("}")
			continue
		}
		p := jsonscan.Over(part)
		a.lit("{")
		sep := ""
		for p.Enter(); p.More(); {
			key := p.Key()
			value := p.Skip()
			// "reasoning", "refusal" and the like are members of messages; in a part, "name" and "refusal" are content.
			if string(key) == "cache_control" && a.out(key) {
				continue
			}
			a.lit(sep)
			sep = ","
			a.keep(key, value)
		}
		a.lit("}")
	}
	a.lit("]")
}

// image judges an image by how it is given.
func (a *adapter) image(at string, raw []byte) {
	url := raw
	if len(raw) > 0 && raw[0] == '{' {
		url = memberOf(raw, "url")
	}
	data := len(url) > 6 && strings.EqualFold(string(url[1:6]), "data:")
	switch {
	case a.row.Images == vendor.ImagesNone:
		a.refuse(at, "it takes no images")
	case a.row.Images == vendor.ImagesData && !data:
		a.refuse(at, "it takes images as data alone")
	case a.row.Images == vendor.ImagesURL && data:
		a.refuse(at, "it takes images by their URL alone")
	}
}

func (a *adapter) calls(raw []byte) {
	c := jsonscan.Over(raw)
	a.lit("[")
	c.Enter()
	for i := 0; c.More(); i++ {
		if i > 0 {
			a.lit(",")
		}
		if c.Kind() != '{' {
			a.dst = append(a.dst, c.Skip()...)
			continue
		}
		a.lit("{")
		sep := ""
		for c.Enter(); c.More(); {
			key := c.Key()
			value := c.Skip()
			a.lit(sep)
			sep = ","
			if string(key) == "id" && value[0] == '"' {
				a.lit(`"id":`)
				a.id(value)
				continue
			}
			a.keep(key, value)
		}
		a.lit("}")
	}
	a.lit("]")
}

// id writes the id of a call in the form that the vendor takes: one that has another is changed, the same way wherever
// it stands, so that results keep to their calls.
func (a *adapter) id(raw []byte) {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	n := a.row.CallIDs
	fit := len(raw) == n+2
	for _, c := range raw[1 : len(raw)-1] {
		fit = fit && strings.IndexByte(letters, c) >= 0
	}
	if fit {
		a.dst = append(a.dst, raw...)
		return
	}
	a.changed = true
	var id []byte
	id, a.buf = jsonscan.Unquote(raw, a.buf)
	h := fnv.New64a()
	h.Write(id)
	sum := h.Sum64()
	a.lit(`"`)
	for range n {
		a.dst = append(a.dst, letters[sum%uint64(len(letters))])
		sum /= uint64(len(letters))
	}
	a.lit(`"`)
}
