package openaichat

import (
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// place names a message, or something in it, for errors.
func place(message int, suffix string) string {
	return "messages[" + strconv.Itoa(message) + "]" + suffix
}

func (d *decoder) messages(raw []byte) *dialect.Error {
	if raw[0] != '[' {
		return wrongType("messages", "an array of objects", raw)
	}
	c := jsonscan.Over(raw)
	c.Enter()
	n := 0
	for ; c.More(); n++ {
		if err := d.message(n, c.Skip()); err != nil {
			return err
		}
	}
	if n == 0 {
		return invalid("messages", "empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	return nil
}

func (d *decoder) message(i int, raw []byte) *dialect.Error {
	if raw[0] != '{' {
		return wrongType(place(i, ""), "an object", raw)
	}
	// The members come in any order, and what they mean depends on the role.
	var role, content, name, calls, callID, refusal, reasoning, blocks, cache, isError []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "role":
			role = c.Skip()
		case "content":
			content = c.Skip()
		case "name":
			name = c.Skip()
		case "tool_calls":
			calls = c.Skip()
		case "tool_call_id":
			callID = c.Skip()
		case "refusal":
			refusal = c.Skip()
		case "reasoning_content":
			reasoning = c.Skip()
		case "thinking_blocks":
			blocks = c.Skip()
		case "cache_control":
			cache = c.Skip()
		case "is_error":
			isError = c.Skip()
		case "function_call":
			if v := c.Skip(); !isNull(v) {
				return invalid(place(i, ".function_call"), "unsupported_parameter", "'function_call' is the deprecated form of 'tool_calls' and is not supported. Send 'tool_calls' and answer them with messages of role 'tool'.")
			}
		default:
			at := place(i, "."+strings.ReplaceAll(string(key), ".", "_"))
			if v := c.Skip(); !isNull(v) && string(v) != "[]" && string(v) != "{}" {
				d.unsupported(at)
			}
		}
	}
	if isNull(role) {
		return missing(place(i, ".role"))
	}
	mark, err := d.cache(place(i, ".cache_control"), cache)
	if err != nil {
		return err
	}
	m := dialect.Message{At: i}
	if err := d.string(place(i, ".name"), name, &m.Name); err != nil {
		return err
	}
	switch string(role) {
	case `"system"`, `"developer"`:
		from := len(d.r.System)
		if d.r.System, err = d.content(i, content, "text", d.r.System); err != nil {
			return err
		}
		if mark != dialect.NoCache && len(d.r.System) > from {
			d.r.System[len(d.r.System)-1].Cache = mark
		}
		return nil
	case `"user"`:
		if m.Parts, err = d.content(i, content, "text image", nil); err != nil {
			return err
		}
	case `"tool"`:
		m.Role = dialect.Tool
		p := dialect.Part{Kind: dialect.ToolResult, At: -1}
		if isNull(callID) {
			return missing(place(i, ".tool_call_id"))
		}
		if err := d.string(place(i, ".tool_call_id"), callID, &p.ID); err != nil {
			return err
		}
		if p.Content, err = d.content(i, content, "text image", nil); err != nil {
			return err
		}
		failed, err := boolean(place(i, ".is_error"), isError)
		if err != nil {
			return err
		}
		p.IsError = failed != nil && *failed
		m.Parts = []dialect.Part{p}
	case `"assistant"`:
		m.Role = dialect.Assistant
		if err := d.assistant(&m, content, calls, refusal, reasoning, blocks); err != nil {
			return err
		}
	case `"function"`:
		return invalid(place(i, ".role"), "unsupported_value", "The role 'function' is deprecated and is not supported. Answer tool calls with messages of role 'tool'.")
	default:
		if role[0] != '"' {
			return wrongType(place(i, ".role"), "a string", role)
		}
		return wrongValue(place(i, ".role"), d.text(role), "system", "developer", "user", "assistant", "tool")
	}
	if mark != dialect.NoCache && len(m.Parts) > 0 {
		m.Parts[len(m.Parts)-1].Cache = mark
	}
	d.r.Messages = append(d.r.Messages, m)
	return nil
}

// content reads a message's content, a string or a list of parts of the allowed kinds, and appends it to parts.
func (d *decoder) content(i int, raw []byte, allowed string, parts []dialect.Part) ([]dialect.Part, *dialect.Error) {
	switch {
	case raw == nil:
		return parts, missing(place(i, ".content"))
	case raw[0] == '"':
		return append(parts, dialect.Part{Kind: dialect.Text, Text: d.text(raw), At: -1}), nil
	case raw[0] != '[':
		return parts, wrongType(place(i, ".content"), "a string or an array of objects", raw)
	}
	c := jsonscan.Over(raw)
	c.Enter()
	n := 0
	for ; c.More(); n++ {
		p, ok, err := d.part(i, n, c.Skip(), allowed)
		if err != nil {
			return parts, err
		}
		if ok {
			parts = append(parts, p)
		}
	}
	if n == 0 {
		return parts, invalid(place(i, ".content"), "empty_array", "Invalid '"+place(i, ".content")+"': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	return parts, nil
}

// part reads one part. ok is false for a part that the neutral model has no place for; it was noted then.
func (d *decoder) part(i, n int, raw []byte, allowed string) (p dialect.Part, ok bool, err *dialect.Error) {
	at := func(suffix string) string { return place(i, ".content["+strconv.Itoa(n)+"]"+suffix) }
	if raw[0] != '{' {
		return p, false, wrongType(at(""), "an object", raw)
	}
	p.At = n
	var kind, text, image, refusal []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "type":
			kind = c.Skip()
		case "text":
			text = c.Skip()
		case "image_url":
			image = c.Skip()
		case "refusal":
			refusal = c.Skip()
		case "cache_control":
			if p.Cache, err = d.cache(at(".cache_control"), c.Skip()); err != nil {
				return p, false, err
			}
		default:
			c.Skip()
		}
	}
	if isNull(kind) {
		return p, false, missing(at(".type"))
	}
	switch string(kind) {
	case `"text"`:
		if text == nil {
			return p, false, missing(at(".text"))
		}
		if text[0] != '"' {
			return p, false, wrongType(at(".text"), "a string", text)
		}
		p.Kind, p.Text = dialect.Text, d.text(text)
		return p, true, nil
	case `"refusal"`:
		if allowed != "text refusal" {
			break
		}
		p.Kind = dialect.Refusal
		if isNull(refusal) {
			return p, false, missing(at(".refusal"))
		}
		return p, true, d.string(at(".refusal"), refusal, &p.Text)
	case `"image_url"`:
		if allowed != "text image" {
			break
		}
		if isNull(image) {
			return p, false, missing(at(".image_url"))
		}
		p.Kind = dialect.Image
		return p, true, d.image(&p, image, at)
	case `"input_audio"`, `"file"`:
		if allowed != "text image" {
			break
		}
		d.unsupported(at("." + string(kind[1:len(kind)-1])))
		return p, false, nil
	}
	if kind[0] != '"' {
		return p, false, wrongType(at(".type"), "a string", kind)
	}
	want := []string{"text"}
	switch allowed {
	case "text image":
		want = []string{"text", "image_url", "input_audio", "file"}
	case "text refusal":
		want = []string{"text", "refusal"}
	}
	return p, false, wrongValue(at(".type"), d.text(kind), want...)
}

// image reads {"url","detail"}. A data: URL (RFC 2397) is taken apart.
func (d *decoder) image(p *dialect.Part, raw []byte, at func(string) string) *dialect.Error {
	if raw[0] != '{' {
		return wrongType(at(".image_url"), "an object", raw)
	}
	var url []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch value := c.Skip(); string(key) {
		case "url":
			url = value
		case "detail":
			if err := d.string(at(".image_url.detail"), value, &p.Detail); err != nil {
				return err
			}
		}
	}
	if isNull(url) {
		return missing(at(".image_url.url"))
	}
	var s string
	if err := d.string(at(".image_url.url"), url, &s); err != nil {
		return err
	}
	if len(s) < 5 || !strings.EqualFold(s[:5], "data:") {
		p.URL = s
		return nil
	}
	head, data, comma := strings.Cut(s[5:], ",")
	media, found := strings.CutSuffix(head, ";base64")
	if !comma || !found {
		return invalid(at(".image_url.url"), "invalid_image_url", "Invalid '"+at(".image_url.url")+"': expected a URL or a data URL of the form data:image/…;base64,….")
	}
	media, _, _ = strings.Cut(media, ";")
	p.MediaType, p.Data = strings.ToLower(media), data
	return nil
}

// assistant reads an assistant message: thinking first, then content and refusal, then tool calls, which is the order
// in which providers that sign their thinking want them back.
func (d *decoder) assistant(m *dialect.Message, content, calls, refusal, reasoning, blocks []byte) *dialect.Error {
	i := m.At
	if !isNull(blocks) {
		if err := d.thinking(m, blocks); err != nil {
			return err
		}
	} else if !isNull(reasoning) && string(reasoning) != `""` {
		// Text alone, without a signature, cannot be given back to any provider as its own thinking.
		d.unsupported(place(i, ".reasoning_content"))
	}
	var err *dialect.Error
	if !isNull(content) && string(content) != "[]" {
		if m.Parts, err = d.content(i, content, "text refusal", m.Parts); err != nil {
			return err
		}
	}
	if !isNull(refusal) && string(refusal) != `""` {
		p := dialect.Part{Kind: dialect.Refusal, At: -1}
		if err := d.string(place(i, ".refusal"), refusal, &p.Text); err != nil {
			return err
		}
		m.Parts = append(m.Parts, p)
	}
	if isNull(calls) {
		if isNull(content) && isNull(refusal) {
			return missing(place(i, ".content"))
		}
		return nil
	}
	if calls[0] != '[' {
		return wrongType(place(i, ".tool_calls"), "an array of objects", calls)
	}
	c := jsonscan.Over(calls)
	c.Enter()
	for n := 0; c.More(); n++ {
		if err := d.toolCall(m, n, c.Skip()); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) toolCall(m *dialect.Message, n int, raw []byte) (err *dialect.Error) {
	at := func(suffix string) string { return place(m.At, ".tool_calls["+strconv.Itoa(n)+"]"+suffix) }
	if raw[0] != '{' {
		return wrongType(at(""), "an object", raw)
	}
	p := dialect.Part{Kind: dialect.ToolCall, At: n}
	kind := "function" // some clients leave it out
	var function []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "id":
			err = d.string(at(".id"), c.Skip(), &p.ID)
		case "type":
			err = d.string(at(".type"), c.Skip(), &kind)
		case "function":
			function = c.Skip()
		default:
			c.Skip()
		}
	}
	switch {
	case err != nil:
		return err
	case p.ID == "":
		return missing(at(".id"))
	case kind == "custom":
		d.unsupported(at(".custom"))
		return nil
	case kind != "function":
		return wrongValue(at(".type"), kind, "function", "custom")
	case isNull(function):
		return missing(at(".function"))
	case function[0] != '{':
		return wrongType(at(".function"), "an object", function)
	}
	c = jsonscan.Over(function)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "name":
			err = d.string(at(".function.name"), c.Skip(), &p.Name)
		case "arguments":
			err = d.string(at(".function.arguments"), c.Skip(), &p.Arguments)
		default:
			c.Skip()
		}
	}
	if err == nil && p.Name == "" {
		err = missing(at(".function.name"))
	}
	m.Parts = append(m.Parts, p)
	return err
}

// thinking reads the extension field thinking_blocks.
func (d *decoder) thinking(m *dialect.Message, raw []byte) *dialect.Error {
	if raw[0] != '[' {
		return wrongType(place(m.At, ".thinking_blocks"), "an array of objects", raw)
	}
	c := jsonscan.Over(raw)
	c.Enter()
	for n := 0; c.More(); n++ {
		at := func(suffix string) string { return place(m.At, ".thinking_blocks["+strconv.Itoa(n)+"]"+suffix) }
		block := c.Skip()
		if block[0] != '{' {
			return wrongType(at(""), "an object", block)
		}
		p := dialect.Part{Kind: dialect.Thinking, At: n}
		var kind string
		b := jsonscan.Over(block)
		for b.Enter(); b.More(); {
			var key []byte
			key, d.key = b.KeyText(d.key)
			var to *string
			switch string(key) {
			case "type":
				to = &kind
			case "thinking":
				to = &p.Text
			case "signature":
				to = &p.Signature
			case "data":
				to = &p.Data
			}
			value := b.Skip()
			if to == nil {
				continue
			}
			if err := d.string(at("."+string(key)), value, to); err != nil {
				return err
			}
		}
		switch {
		case kind == "redacted_thinking" && p.Data != "":
			p.Kind = dialect.RedactedThinking
		case kind == "redacted_thinking":
			return missing(at(".data"))
		case kind == "thinking" && p.Signature != "":
		case kind == "thinking":
			d.unsupported(at(".signature")) // without one the block cannot be given back
			continue
		default:
			return wrongValue(at(".type"), kind, "thinking", "redacted_thinking")
		}
		m.Parts = append(m.Parts, p)
	}
	return nil
}
