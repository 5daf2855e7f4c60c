package gemini

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/fields"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// DecodeRequest reads a request body of generateContent or streamGenerateContent. The request shares no memory with
// body; its model and whether it is streamed are in the path, and are left to the caller. The error has status 400 and
// the API's words: INVALID_ARGUMENT, with the place in the body.
func DecodeRequest(body []byte) (*dialect.Request, *dialect.Error) {
	if err := jsonscan.Check(body); err != nil {
		return nil, &dialect.Error{Status: http.StatusBadRequest, Type: "INVALID_ARGUMENT", Message: "Invalid JSON payload received. " + err.Error()}
	}
	d := decoding{Reader: fields.Over(body), r: &dialect.Request{IncludeUsage: true}}
	if d.Kind() != '{' {
		return nil, &dialect.Error{Status: http.StatusBadRequest, Type: "INVALID_ARGUMENT", Message: "Invalid JSON payload received. Root element must be a message."}
	}
	d.request()
	if f := d.Fault(); f != nil {
		return nil, sentence(f)
	}
	return d.r, nil
}

// sentence says a fault in the API's words.
func sentence(f *fields.Fault) *dialect.Error {
	at := f.Path.Indexed()
	e := &dialect.Error{Status: http.StatusBadRequest, Type: "INVALID_ARGUMENT", Param: at}
	switch f.Kind {
	case fields.Missing:
		e.Message = "Invalid value at '" + at + "': the field is required."
	case fields.Other:
		e.Message = "Invalid value at '" + at + "': " + f.Want + "."
	default:
		e.Message = "Invalid value at '" + at + "': it must be " + f.Want + ", not " + f.Got + "."
	}
	return e
}

// decoding reads one request.
type decoding struct {
	*fields.Reader
	r *dialect.Request

	open  []openCall // calls of the last turn of the model that are not answered yet
	calls int        // calls so far, for ids that the caller did not give
}

type openCall struct{ id, name string }

func (d *decoding) unsupported(feature string) { d.note(d.In(feature)) }

// note hands on that there is something at a place for which the neutral model has none, in the spelling of the loss
// tables.
func (d *decoding) note(at fields.Path) {
	d.r.Unsupported = append(d.r.Unsupported, canonical(at.Indexed()))
}

// members calls read for each member of the object that comes next, by the name that the API's documents use: either
// spelling is allowed, both at once are not.
func (d *decoding) members(read func(name string)) {
	if d.Object() {
		d.each(read)
	}
}

// membersOf is members for a raw value.
func (d *decoding) membersOf(field string, raw []byte, read func(name string)) {
	if d.ObjectIn(field, raw) {
		d.each(read)
	}
}

func (d *decoding) each(read func(name string)) {
	var room [16]string
	seen := room[:0]
	for d.More() {
		name := canonical(string(d.Key()))
		for _, s := range seen {
			if s == name {
				d.Fail("", "the field is given twice, in both spellings")
				return
			}
		}
		if len(seen) < 64 { // more fields than that no message of the API has
			seen = append(seen, name)
		}
		read(name)
	}
}

// canonical is the lowerCamelCase of a name in snake_case; other names are returned as they are.
func canonical(name string) string {
	if strings.IndexByte(name, '_') < 1 {
		return name
	}
	b := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '_' && i+1 < len(name) && 'a' <= name[i+1] && name[i+1] <= 'z' {
			i++
			c = name[i] - 'a' + 'A'
		}
		b = append(b, c)
	}
	return string(b)
}

// silent reports whether a value of a field without a place says nothing.
func silent(raw []byte) bool {
	switch string(raw) {
	case "", "null", "false", "[]", "{}", `""`, "0":
		return true
	}
	return false
}

// other reads a field that has no place.
func (d *decoding) other() {
	path := d.Path()
	if raw := d.Raw(); !silent(raw) {
		d.note(path)
	}
}

// int reads a whole number, which protobuf's JSON allows to be written as a string.
func (d *decoding) int(to **int64, least int64) {
	if d.Kind() != '"' {
		d.Int(to, least)
		return
	}
	var s string
	d.String(&s)
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case d.Fault() != nil:
	case err != nil || n < least:
		d.WrongValue(s, "a whole number of at least "+strconv.FormatInt(least, 10))
	default:
		*to = &n
	}
}

func (d *decoding) request() {
	r := d.r
	contents := false
	d.members(func(name string) {
		switch name {
		case "contents":
			contents = true
			for ok := d.Array(); ok && d.More(); {
				d.content()
			}
		case "systemInstruction":
			d.system()
		case "tools":
			for ok := d.Array(); ok && d.More(); {
				d.tool()
			}
		case "toolConfig":
			d.toolConfig()
		case "generationConfig":
			d.config()
		case "labels":
			if raw := d.RawObject(); len(raw) > 2 {
				r.Metadata = raw
			}
		case "serviceTier":
			d.String(&r.ServiceTier)
			switch r.ServiceTier = strings.ToLower(r.ServiceTier); r.ServiceTier {
			case "standard":
				r.ServiceTier = "default"
			case "unspecified":
				r.ServiceTier = ""
			}
		case "model": // stands in the path; some clients repeat it
			d.Skip()
		default:
			d.other()
		}
	})
	switch {
	case !contents || len(r.Messages) == 0:
		d.Missing("contents")
	case r.ToolChoice.Mode == "tool" && len(r.Unsupported) == 0:
		for i := range r.Tools {
			if r.Tools[i].Name == r.ToolChoice.Name {
				return
			}
		}
		d.FailIn("toolConfig.functionCallingConfig.allowedFunctionNames", "", "the function '"+short(r.ToolChoice.Name)+"' is not declared in tools")
	}
}

func short(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

func (d *decoding) system() {
	if d.Kind() == '"' { // what SDKs make a Content of
		var s string
		d.String(&s)
		d.r.System = append(d.r.System, dialect.Part{Kind: dialect.Text, Text: s, At: -1})
		return
	}
	d.members(func(name string) {
		if name != "parts" {
			d.Skip()
			return
		}
		for ok := d.Array(); ok && d.More(); {
			if p, ok := d.part(inSystem); ok {
				d.r.System = append(d.r.System, p)
			}
		}
	})
}

// holder says what a part stands in.
type holder uint8

const (
	inSystem holder = iota
	inUser
	inModel
)

func (d *decoding) content() {
	m := dialect.Message{At: d.Index()}
	var role string
	var parts []byte
	d.members(func(name string) {
		switch name {
		case "role":
			d.Enum(&role, "user", "model", "function")
		case "parts":
			parts = d.Raw()
		default:
			d.other()
		}
	})
	if parts == nil {
		d.Missing("parts")
		return
	}
	where := inUser
	if role == "model" {
		m.Role, where = dialect.Assistant, inModel
		if n := len(d.r.Messages); n > 0 && d.r.Messages[n-1].Role == dialect.Assistant {
			// A client that got its turn in a stream gives the pieces back as they came.
			m = d.r.Messages[n-1]
			d.r.Messages = d.r.Messages[:n-1]
		} else {
			d.open = d.open[:0]
		}
	}
	for ok := d.ArrayIn("parts", parts); ok && d.More(); {
		p, ok := d.part(where)
		switch n := len(m.Parts); {
		case !ok:
		case where == inModel && n > 0 && continues(&m.Parts[n-1], &p):
			last := &m.Parts[n-1]
			last.Text += p.Text
			last.Signature, last.SignedBy = p.Signature, p.SignedBy
		default:
			m.Parts = append(m.Parts, p)
		}
	}
	d.r.Messages = append(d.r.Messages, m)
}

// continues tells whether a part of the model's turn goes on with the text, or the thought, of the one before: streams have
// a part for each piece. What seals a thought comes behind its last piece; a text that is sealed stands for itself.
func continues(last, p *dialect.Part) bool {
	return last.Kind == p.Kind && last.Signature == "" && (p.Kind == dialect.Thinking || p.Kind == dialect.Text && p.Signature == "")
}

// part reads the part that comes next. ok is false for one that has no place in the neutral model.
func (d *decoding) part(where holder) (p dialect.Part, ok bool) {
	p.At = d.Index()
	var (
		signature, only              string
		thought                      *bool
		call, response, inline, file []byte
		hasText                      bool
	)
	d.members(func(name string) {
		switch name {
		case "text":
			hasText = d.Kind() != 'n'
			d.String(&p.Text)
		case "thought":
			d.Bool(&thought)
		case "thoughtSignature":
			d.String(&signature)
		case "functionCall":
			call = d.Raw()
		case "functionResponse":
			response = d.Raw()
		case "inlineData":
			inline = d.Raw()
		case "fileData":
			file = d.Raw()
		case "executableCode", "codeExecutionResult", "toolCall", "toolResponse":
			if raw := d.Raw(); raw != nil {
				only = name
			}
		default: // videoMetadata, mediaResolution, partMetadata, …
			d.other()
		}
	})
	if signature != "" {
		var redacted bool
		p.SignedBy, p.Signature, redacted = unseal(signature)
		if redacted {
			return dialect.Part{Kind: dialect.RedactedThinking, Data: p.Signature, SignedBy: p.SignedBy, At: p.At}, where == inModel
		}
	}
	switch {
	case only != "":
		d.unsupported(only)
		return p, false
	case call != nil:
		if where != inModel {
			d.FailIn("functionCall", "", "only the role 'model' calls functions")
			return p, false
		}
		p.Kind = dialect.ToolCall
		d.call(&p, call)
	case response != nil:
		if where != inUser {
			d.FailIn("functionResponse", "", "only the role 'user' answers function calls")
			return p, false
		}
		p.Kind = dialect.ToolResult
		d.response(&p, response)
	case inline != nil:
		return p, d.media("inlineData", &p, inline)
	case file != nil:
		return p, d.media("fileData", &p, file)
	case thought != nil && *thought:
		p.Kind = dialect.Thinking
		return p, where == inModel && (p.Text != "" || p.Signature != "")
	case hasText && p.Text != "" || signature != "":
		p.Kind = dialect.Text
	default:
		return p, false // a part without data, or with what is in Unsupported
	}
	return p, true
}

func (d *decoding) call(p *dialect.Part, raw []byte) {
	d.membersOf("functionCall", raw, func(name string) {
		switch name {
		case "id":
			d.String(&p.ID)
		case "name":
			d.String(&p.Name)
		case "args":
			p.Arguments = string(d.RawObject())
		default:
			d.other()
		}
	})
	if p.Name == "" {
		d.Missing("functionCall.name")
	}
	if p.Arguments == "" {
		p.Arguments = "{}"
	}
	if p.ID == "" {
		p.ID = "call_" + strconv.Itoa(d.calls)
	}
	d.calls++
	d.open = append(d.open, openCall{p.ID, p.Name})
}

func (d *decoding) response(p *dialect.Part, raw []byte) {
	var answer, parts []byte
	d.membersOf("functionResponse", raw, func(name string) {
		switch name {
		case "id":
			d.String(&p.ID)
		case "name":
			d.String(&p.Name)
		case "response":
			answer = d.RawObject()
		case "parts":
			parts = d.Raw()
		default:
			d.other()
		}
	})
	if d.Fault() != nil {
		return
	}
	if p.Name == "" {
		d.Missing("functionResponse.name")
		return
	}
	// By its id where there is one; else it belongs to the first open call of that name.
	at := -1
	for i, c := range d.open {
		if p.ID != "" && c.id == p.ID || p.ID == "" && c.name == p.Name {
			at = i
			break
		}
	}
	switch {
	case at >= 0:
		p.ID = d.open[at].id
		d.open = append(d.open[:at], d.open[at+1:]...)
	case p.ID == "":
		d.FailIn("functionResponse.name", "", "no call of the function '"+short(p.Name)+"' in the turn before is without a response")
		return
	}
	said, isError := output(answer, p.Name)
	p.IsError = isError
	p.Content = append(p.Content, dialect.Part{Kind: dialect.Text, Text: said, At: -1})
	for ok := d.ArrayIn("functionResponse.parts", parts); ok && d.More(); {
		if inner, ok := d.part(inUser); ok {
			p.Content = append(p.Content, inner)
		}
	}
}

// output is the text of a response of the named function: what stands alone under "output", "result" or "error", or
// under "content" beside the function's own name, as Vercel's SDK has it; else the whole object.
func output(raw []byte, function string) (said string, isError bool) {
	if len(raw) == 0 {
		return "", false
	}
	c := jsonscan.Over(raw)
	members, called := 0, false
	key, value := "", ""
	for c.Enter(); c.More(); {
		k, _ := c.KeyText(nil)
		name, v := string(k), c.Skip()
		if name == "name" && text(v) == function {
			called = true
			continue
		}
		members++
		if len(v) > 0 && v[0] == '"' {
			key, value = name, text(v)
		}
	}
	if members == 1 {
		switch {
		case called:
			if key == "content" {
				return value, false
			}
		case key == "output", key == "result":
			return value, false
		case key == "error":
			return value, true
		}
	}
	return string(raw), false
}

// media reads inlineData or fileData. ok is false for what has no place in the neutral model.
func (d *decoding) media(field string, p *dialect.Part, raw []byte) (ok bool) {
	var data, uri, title string
	d.membersOf(field, raw, func(name string) {
		switch name {
		case "mimeType":
			d.String(&p.MediaType)
		case "data":
			d.String(&data)
		case "fileUri":
			d.String(&uri)
		case "displayName":
			d.String(&title)
		default:
			d.other()
		}
	})
	switch {
	case d.Fault() != nil:
		return false
	case field == "inlineData" && data == "":
		d.Missing("inlineData.data")
	case field == "inlineData" && p.MediaType == "":
		d.Missing("inlineData.mimeType")
	case field == "fileData" && uri == "":
		d.Missing("fileData.fileUri")
	case field == "fileData" && !elsewhere(uri):
		d.unsupported("fileData.file") // a file that was uploaded to Google
		return false
	}
	p.Text, p.Data, p.URL, p.Name = "", standard(data), uri, title
	kind := p.MediaType
	if kind == "" {
		kind = kindOf(uri)
	}
	switch {
	case strings.HasPrefix(kind, "image/"):
		p.Kind = dialect.Image
	case strings.HasPrefix(kind, "audio/"):
		p.Kind = dialect.Audio
	case kind == "application/pdf":
		p.Kind = dialect.Document
	default:
		d.unsupported(field) // video and other files
		return false
	}
	return true
}

// elsewhere tells whether anybody can fetch a URI: not the files and buckets of Google, which want its credentials.
func elsewhere(uri string) bool {
	return (strings.HasPrefix(uri, "https://") || strings.HasPrefix(uri, "http://")) && !strings.HasPrefix(uri, "https://generativelanguage.googleapis.com/")
}

// standard makes standard base64 of the URL-safe one, which protobuf's JSON allows as well.
func standard(data string) string {
	if strings.ContainsAny(data, "-_") {
		data = strings.NewReplacer("-", "+", "_", "/").Replace(data)
	}
	if n := len(data) % 4; n > 1 {
		data += "=="[:4-n]
	}
	return data
}

func (d *decoding) tool() {
	d.members(func(name string) {
		if name != "functionDeclarations" {
			// googleSearch, codeExecution, urlContext, …: an empty object turns them on.
			path := d.Path()
			if d.Raw() != nil {
				d.note(path)
			}
			return
		}
		for ok := d.Array(); ok && d.More(); {
			d.declaration()
		}
	})
}

func (d *decoding) declaration() {
	var t dialect.ToolDef
	both := 0
	d.members(func(name string) {
		switch name {
		case "name":
			d.String(&t.Name)
		case "description":
			d.String(&t.Description)
		case "parameters":
			if raw := d.RawObject(); raw != nil {
				both++
				t.Parameters = appendJSONSchema(nil, raw)
			}
		case "parametersJsonSchema":
			if raw := d.RawObject(); raw != nil {
				both++
				t.Parameters = raw
			}
		case "response", "responseJsonSchema", "behavior":
			d.Skip() // what comes back tells of itself
		default:
			d.other()
		}
	})
	switch {
	case t.Name == "":
		d.Missing("name")
	case both > 1:
		d.FailIn("parametersJsonSchema", "", "it must not be given together with parameters")
	}
	if t.Parameters == nil {
		t.Parameters = []byte(`{"type":"object","properties":{}}`)
	}
	d.r.Tools = append(d.r.Tools, t)
}

func (d *decoding) toolConfig() {
	d.members(func(name string) {
		if name != "functionCallingConfig" {
			d.other()
			return
		}
		var mode string
		var allowed []string
		d.members(func(name string) {
			switch name {
			case "mode":
				d.Enum(&mode, "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED")
			case "allowedFunctionNames":
				for ok := d.Array(); ok && d.More(); {
					var s string
					d.String(&s)
					allowed = append(allowed, s)
				}
			default:
				d.other()
			}
		})
		c := &d.r.ToolChoice
		switch {
		case mode == "ANY" && len(allowed) == 1:
			c.Mode, c.Name = "tool", allowed[0]
			return
		case mode == "ANY":
			c.Mode = "required"
		case mode == "NONE":
			c.Mode = "none"
		case mode == "AUTO" || mode == "VALIDATED":
			c.Mode = "auto"
		}
		if len(allowed) > 0 {
			d.unsupported("allowedFunctionNames")
		}
	})
}

func (d *decoding) config() {
	r := d.r
	var (
		mime                 string
		schema, json         []byte
		responseLogprobs     *bool
		budget, top, choices *int64
		level                string
		thoughts             *bool
	)
	d.members(func(name string) {
		switch name {
		case "temperature":
			d.Float(&r.Temperature, 0, 2)
		case "topP":
			d.Float(&r.TopP, 0, 1)
		case "topK": // a float in the API's definition, a whole number in meaning
			var k *float64
			if d.Float(&k, 0, 1<<31); k != nil {
				r.TopK = new(int64(*k))
			}
		case "candidateCount":
			d.int(&choices, 1)
		case "maxOutputTokens":
			d.int(&r.MaxTokens, 1)
		case "stopSequences":
			for ok := d.Array(); ok && d.More(); {
				var s string
				d.String(&s)
				r.Stop = append(r.Stop, s)
			}
		case "seed":
			d.int(&r.Seed, -1<<31)
		case "presencePenalty":
			d.Float(&r.PresencePenalty, -2, 2)
		case "frequencyPenalty":
			d.Float(&r.FrequencyPenalty, -2, 2)
		case "responseLogprobs":
			d.Bool(&responseLogprobs)
		case "logprobs":
			d.int(&top, 0)
		case "responseMimeType":
			d.String(&mime)
		case "responseSchema":
			schema = d.RawObject()
		case "responseJsonSchema", "_responseJsonSchema":
			json = d.RawObject()
		case "responseModalities":
			for ok := d.Array(); ok && d.More(); {
				var s string
				d.Enum(&s, "MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO")
				if s != "" && s != "MODALITY_UNSPECIFIED" {
					r.Modalities = append(r.Modalities, strings.ToLower(s))
				}
			}
		case "speechConfig":
			d.speech()
		case "thinkingConfig":
			d.members(func(name string) {
				switch name {
				case "thinkingBudget":
					d.int(&budget, -1)
				case "thinkingLevel":
					d.String(&level)
				case "includeThoughts":
					d.Bool(&thoughts)
				default:
					d.other()
				}
			})
		default:
			d.other()
		}
	})
	if choices != nil && *choices > 1 {
		r.Choices = choices
	}
	if responseLogprobs != nil && *responseLogprobs {
		r.Logprobs = new(int64(0))
		if top != nil {
			r.Logprobs = top
		}
	}
	if len(r.Modalities) == 1 && r.Modalities[0] == "text" {
		r.Modalities = nil
	}
	d.thinking(budget, level, thoughts)
	switch {
	case schema != nil && json != nil:
		d.FailIn("responseJsonSchema", "", "it must not be given together with responseSchema")
	case schema != nil:
		json = appendJSONSchema(nil, schema)
	}
	switch mime {
	case "application/json":
		r.Format.Kind = "json_object"
		if json != nil {
			r.Format = dialect.Format{Kind: "json_schema", Name: "output", Schema: bytes.Clone(json), Strict: new(true)}
		}
	case "", "text/plain":
		if json != nil {
			d.FailIn("responseMimeType", "", "it must be 'application/json' where a schema is given")
		}
	default:
		d.unsupported("responseMimeType")
	}
}

// thinking turns a budget or a level into an effort.
func (d *decoding) thinking(budget *int64, level string, thoughts *bool) {
	r := d.r
	switch {
	case budget != nil && *budget >= 0:
		r.Reasoning = effortOf(*budget)
		if *budget > 0 {
			r.ThinkingBudget = budget
		}
	case level != "":
		switch strings.ToUpper(level) {
		case "MINIMAL", "LOW", "MEDIUM", "HIGH":
			r.Reasoning = strings.ToLower(level)
		case "THINKING_LEVEL_UNSPECIFIED":
		default:
			d.FailIn("thinkingConfig.thinkingLevel", "", "'"+short(level)+"' is none of 'MINIMAL', 'LOW', 'MEDIUM' and 'HIGH'")
		}
	}
	if thoughts == nil || !*thoughts {
		return
	}
	r.Summary = "auto"
	if r.Reasoning == "" {
		r.Reasoning = "medium" // thoughts are wanted; how many is left to the model
	}
}

func (d *decoding) speech() {
	path := d.Path()
	whole := d.Raw()
	var voice string
	d.membersOf("", whole, func(name string) {
		if name != "voiceConfig" {
			d.other()
			return
		}
		d.members(func(name string) {
			if name != "prebuiltVoiceConfig" {
				d.other()
				return
			}
			d.members(func(name string) {
				if name == "voiceName" {
					d.String(&voice)
				} else {
					d.other()
				}
			})
		})
	})
	switch {
	case voice != "":
		d.r.Voice = &dialect.Voice{Name: voice}
	case !silent(whole):
		d.note(path)
	}
}
