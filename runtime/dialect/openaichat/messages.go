package openaichat

import (
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// messages reads the list where the cursor stands. Everything is read in place: most of a request's bytes are here.
func (d *decoder) messages() *dialect.Error {
	c := &d.c
	if c.Kind() != '[' {
		return d.wrongType("messages", "an array of objects", c.Skip())
	}
	c.Enter()
	n := 0
	for ; c.More(); n++ {
		d.enter("messages", n)
		if err := d.message(n); err != nil {
			return err
		}
		d.leave()
	}
	if n == 0 {
		return invalid("messages", "empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	return nil
}

func (d *decoder) message(i int) *dialect.Error {
	c := &d.c
	if c.Kind() != '{' {
		return d.wrongType("", "an object", c.Skip())
	}
	// The members come in any order, and what they mean depends on the role.
	var role, content, name, calls, callID, refusal, reasoning, blocks, cache, isError []byte
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
				return invalid(d.path(".function_call"), "unsupported_parameter", "'function_call' is the deprecated form of 'tool_calls' and is not supported. Send 'tool_calls' and answer them with messages of role 'tool'.")
			}
		default:
			name := string(key)
			if v := c.Skip(); !isNull(v) && string(v) != "[]" && string(v) != "{}" {
				d.unsupported("." + strings.ReplaceAll(name, ".", "_"))
			}
		}
	}
	if isNull(role) {
		return d.missing(".role")
	}
	mark, err := d.cache(".cache_control", cache)
	if err != nil {
		return err
	}
	m := dialect.Message{At: i}
	if err := d.string(".name", name, &m.Name); err != nil {
		return err
	}
	switch string(role) {
	case `"system"`, `"developer"`:
		from := len(d.r.System)
		if d.r.System, err = d.content(content, "text", d.r.System); err != nil {
			return err
		}
		if mark != dialect.NoCache && len(d.r.System) > from {
			d.r.System[len(d.r.System)-1].Cache = mark
		}
		return nil
	case `"user"`:
		if m.Parts, err = d.content(content, "text image", nil); err != nil {
			return err
		}
	case `"tool"`:
		m.Role = dialect.Tool
		p := dialect.Part{Kind: dialect.ToolResult, At: -1}
		if isNull(callID) {
			return d.missing(".tool_call_id")
		}
		if err := d.string(".tool_call_id", callID, &p.ID); err != nil {
			return err
		}
		if p.Content, err = d.content(content, "text image", nil); err != nil {
			return err
		}
		failed, err := d.boolean(".is_error", isError)
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
		return invalid(d.path(".role"), "unsupported_value", "The role 'function' is deprecated and is not supported. Answer tool calls with messages of role 'tool'.")
	default:
		if role[0] != '"' {
			return d.wrongType(".role", "a string", role)
		}
		return d.wrongValue(".role", d.text(role), "system", "developer", "user", "assistant", "tool")
	}
	if mark != dialect.NoCache && len(m.Parts) > 0 {
		m.Parts[len(m.Parts)-1].Cache = mark
	}
	d.r.Messages = append(d.r.Messages, m)
	return nil
}

// content reads a message's content, a string or a list of parts of the allowed kinds, and appends it to parts.
func (d *decoder) content(raw []byte, allowed string, parts []dialect.Part) ([]dialect.Part, *dialect.Error) {
	switch {
	case raw == nil:
		return parts, d.missing(".content")
	case raw[0] == '"':
		return append(parts, dialect.Part{Kind: dialect.Text, Text: d.text(raw), At: -1}), nil
	case raw[0] != '[':
		return parts, d.wrongType(".content", "a string or an array of objects", raw)
	}
	c := jsonscan.Over(raw)
	c.Enter()
	n := 0
	for ; c.More(); n++ {
		d.enter(".content", n)
		p, ok, err := d.part(n, c.Skip(), allowed)
		if err != nil {
			return parts, err
		}
		d.leave()
		if ok {
			parts = append(parts, p)
		}
	}
	if n == 0 {
		return parts, invalid(d.path(".content"), "empty_array", "Invalid '"+d.path(".content")+"': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	return parts, nil
}

// part reads one part. ok is false for a part that the neutral model has no place for; it was noted then.
func (d *decoder) part(n int, raw []byte, allowed string) (p dialect.Part, ok bool, err *dialect.Error) {
	if raw[0] != '{' {
		return p, false, d.wrongType("", "an object", raw)
	}
	p.At = n
	var kind, text, image, refusal, file []byte
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
		case "file":
			file = c.Skip()
		case "cache_control":
			if p.Cache, err = d.cache(".cache_control", c.Skip()); err != nil {
				return p, false, err
			}
		default:
			c.Skip()
		}
	}
	if isNull(kind) {
		return p, false, d.missing(".type")
	}
	switch string(kind) {
	case `"text"`:
		if text == nil {
			return p, false, d.missing(".text")
		}
		if text[0] != '"' {
			return p, false, d.wrongType(".text", "a string", text)
		}
		p.Kind, p.Text = dialect.Text, d.text(text)
		return p, true, nil
	case `"refusal"`:
		if allowed != "text refusal" {
			break
		}
		p.Kind = dialect.Refusal
		if isNull(refusal) {
			return p, false, d.missing(".refusal")
		}
		return p, true, d.string(".refusal", refusal, &p.Text)
	case `"image_url"`:
		if allowed != "text image" {
			break
		}
		if isNull(image) {
			return p, false, d.missing(".image_url")
		}
		p.Kind = dialect.Image
		return p, true, d.image(&p, image)
	case `"input_audio"`:
		if allowed != "text image" {
			break
		}
		d.unsupported(".input_audio")
		return p, false, nil
	case `"file"`:
		if allowed != "text image" {
			break
		}
		if isNull(file) {
			return p, false, d.missing(".file")
		}
		ok, err = d.file(&p, file)
		return p, ok, err
	}
	if kind[0] != '"' {
		return p, false, d.wrongType(".type", "a string", kind)
	}
	want := []string{"text"}
	switch allowed {
	case "text image":
		want = []string{"text", "image_url", "input_audio", "file"}
	case "text refusal":
		want = []string{"text", "refusal"}
	}
	return p, false, d.wrongValue(".type", d.text(kind), want...)
}

// image reads {"url","detail"}. A data: URL is taken apart.
func (d *decoder) image(p *dialect.Part, raw []byte) *dialect.Error {
	if raw[0] != '{' {
		return d.wrongType(".image_url", "an object", raw)
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
			if err := d.string(".image_url.detail", value, &p.Detail); err != nil {
				return err
			}
		}
	}
	if isNull(url) {
		return d.missing(".image_url.url")
	}
	var s string
	if err := d.string(".image_url.url", url, &s); err != nil {
		return err
	}
	if len(s) < 5 || !strings.EqualFold(s[:5], "data:") {
		p.URL = s
		return nil
	}
	var ok bool
	if p.MediaType, p.Data, ok = dataURL(s); !ok {
		return invalid(d.path(".image_url.url"), "invalid_image_url", "Invalid '"+d.path(".image_url.url")+"': expected a URL or a data URL of the form data:image/…;base64,….")
	}
	return nil
}

// file reads {"file_data","filename","file_id"}. Only a PDF's data has a place in the neutral model; a file that was
// uploaded to a provider is known to that provider alone.
func (d *decoder) file(p *dialect.Part, raw []byte) (ok bool, err *dialect.Error) {
	if raw[0] != '{' {
		return false, d.wrongType(".file", "an object", raw)
	}
	var data string
	c := jsonscan.Over(raw)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch value := c.Skip(); string(key) {
		case "file_data":
			err = d.string(".file.file_data", value, &data)
		case "filename":
			err = d.string(".file.filename", value, &p.Name)
		}
	}
	if err != nil {
		return false, err
	}
	p.MediaType, p.Data, ok = dataURL(data)
	if !ok || p.MediaType != "application/pdf" {
		d.unsupported(".file")
		return false, nil
	}
	p.Kind = dialect.Document
	return true, nil
}

// dataURL takes a data: URL with base64 data apart (RFC 2397).
func dataURL(s string) (mediaType, data string, ok bool) {
	if len(s) < 5 || !strings.EqualFold(s[:5], "data:") {
		return "", "", false
	}
	head, data, comma := strings.Cut(s[5:], ",")
	mediaType, base64 := strings.CutSuffix(head, ";base64")
	mediaType, _, _ = strings.Cut(mediaType, ";")
	return strings.ToLower(mediaType), data, comma && base64
}

// assistant reads an assistant message: thinking first, then content and refusal, then tool calls, which is the order
// in which providers that sign their thinking want them back.
func (d *decoder) assistant(m *dialect.Message, content, calls, refusal, reasoning, blocks []byte) *dialect.Error {
	if !isNull(blocks) {
		if err := d.thinking(m, blocks); err != nil {
			return err
		}
	} else if !isNull(reasoning) && string(reasoning) != `""` {
		// Text alone, without a signature, cannot be given back to any provider as its own thinking.
		d.unsupported(".reasoning_content")
	}
	var err *dialect.Error
	if !isNull(content) && string(content) != "[]" {
		if m.Parts, err = d.content(content, "text refusal", m.Parts); err != nil {
			return err
		}
	}
	if !isNull(refusal) && string(refusal) != `""` {
		p := dialect.Part{Kind: dialect.Refusal, At: -1}
		if err := d.string(".refusal", refusal, &p.Text); err != nil {
			return err
		}
		m.Parts = append(m.Parts, p)
	}
	if isNull(calls) {
		if isNull(content) && isNull(refusal) {
			return d.missing(".content")
		}
		return nil
	}
	if calls[0] != '[' {
		return d.wrongType(".tool_calls", "an array of objects", calls)
	}
	c := jsonscan.Over(calls)
	c.Enter()
	for n := 0; c.More(); n++ {
		d.enter(".tool_calls", n)
		if err := d.toolCall(m, n, c.Skip()); err != nil {
			return err
		}
		d.leave()
	}
	return nil
}

func (d *decoder) toolCall(m *dialect.Message, n int, raw []byte) (err *dialect.Error) {
	if raw[0] != '{' {
		return d.wrongType("", "an object", raw)
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
			err = d.string(".id", c.Skip(), &p.ID)
		case "type":
			err = d.string(".type", c.Skip(), &kind)
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
		return d.missing(".id")
	case kind == "custom":
		d.unsupported(".custom")
		return nil
	case kind != "function":
		return d.wrongValue(".type", kind, "function", "custom")
	case isNull(function):
		return d.missing(".function")
	case function[0] != '{':
		return d.wrongType(".function", "an object", function)
	}
	c = jsonscan.Over(function)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "name":
			err = d.string(".function.name", c.Skip(), &p.Name)
		case "arguments":
			err = d.string(".function.arguments", c.Skip(), &p.Arguments)
		default:
			c.Skip()
		}
	}
	if err == nil && p.Name == "" {
		err = d.missing(".function.name")
	}
	m.Parts = append(m.Parts, p)
	return err
}

// thinking reads the extension field thinking_blocks.
func (d *decoder) thinking(m *dialect.Message, raw []byte) *dialect.Error {
	if raw[0] != '[' {
		return d.wrongType(".thinking_blocks", "an array of objects", raw)
	}
	c := jsonscan.Over(raw)
	c.Enter()
	for n := 0; c.More(); n++ {
		d.enter(".thinking_blocks", n)
		block := c.Skip()
		if block[0] != '{' {
			return d.wrongType("", "an object", block)
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
			if err := d.string("."+string(key), value, to); err != nil {
				return err
			}
		}
		switch {
		case kind == "redacted_thinking" && p.Data != "":
			p.Kind = dialect.RedactedThinking
		case kind == "redacted_thinking":
			return d.missing(".data")
		case kind == "thinking" && p.Signature != "":
		case kind == "thinking":
			d.unsupported(".signature") // without one the block cannot be given back
			d.leave()
			continue
		default:
			return d.wrongValue(".type", kind, "thinking", "redacted_thinking")
		}
		d.leave()
		m.Parts = append(m.Parts, p)
	}
	return nil
}
