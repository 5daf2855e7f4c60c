package document

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const shop = `openapi: 3.0.3
info: {title: Shop, version: "1"}
paths:
  /orders:
    get:
      operationId: listOrders
      parameters:
        - {name: limit, in: query, schema: {type: integer, maximum: 100}}
      responses:
        "200":
          description: ok
          content:
            application/json:
              schema: {type: array, items: {$ref: "#/components/schemas/Order"}}
    post:
      operationId: addOrder
      requestBody:
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Order"}
      responses:
        "201": {description: ok}
  /orders/{id}:
    get:
      operationId: getOrder
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
      responses:
        "200":
          description: ok
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Order"}
components:
  schemas:
    Order:
      type: object
      required: [id, total]
      properties:
        id: {type: string}
        total: {type: number}
        state: {type: string, enum: [open, paid]}
`

// lines writes findings one a line, as a reader compares them.
func lines(list []Finding, p *Problem) string {
	var b strings.Builder
	if p != nil {
		fmt.Fprintf(&b, "problem before=%t %s: %s\n", p.Before, p.Place, p.Why)
	}
	for _, f := range list {
		fmt.Fprintf(&b, "%d %s: %s %v %s -> %s\n", f.Level, f.Check, f.Text, f.Operations, f.Base, f.Target)
	}
	return b.String()
}

func one(text string) Side {
	return Side{File: "a/shop.yaml", Files: map[string][]byte{"a/shop.yaml": []byte(text)}}
}

func TestChangesOfADocument(t *testing.T) {
	for _, tt := range []struct{ name, from, to, want string }{
		{"nothing", "x", "x", ""},
		{"words", "title: Shop", "title: The shop", ""},
		{"an operation comes and another goes, which the routes say", "  /orders/{id}:\n", "  /orders/one/{id}:\n", ""},
		{"an operation has another id, which the routes say", "operationId: getOrder", "operationId: showOrder", ""},
		{"a required property of answers goes, and of a request", "        total: {type: number}\n", "",
			"0 response-required-property-removed: removed the required property `items/total` from the response with the `200` status [{GET /orders}] a/shop.yaml:41 -> \n" +
				"0 response-required-property-removed: removed the required property `total` from the response with the `200` status [{GET /orders/{id}}] a/shop.yaml:41 -> \n" +
				"1 request-property-removed: removed the request property `total` [{POST /orders}] a/shop.yaml:41 -> \n"},
		{"a parameter becomes required", "{name: limit, in: query,", "{name: limit, in: query, required: true,",
			"0 request-parameter-became-required: the `query` request parameter `limit` became required [{GET /orders}]  -> a/shop.yaml:8\n"},
		{"a bound is lowered", "maximum: 100", "maximum: 50",
			"0 request-parameter-max-decreased: for the `query` request parameter `limit`, the max was decreased from `100.00` to `50.00` [{GET /orders}] a/shop.yaml:8 -> a/shop.yaml:8\n"},
		{"a bound is raised", "maximum: 100", "maximum: 200",
			"2 request-parameter-max-increased: for the `query` request parameter `limit`, the max was increased from `100.00` to `200.00` [{GET /orders}] a/shop.yaml:8 -> a/shop.yaml:8\n"},
		{"an operation is deprecated", "operationId: getOrder", "operationId: getOrder\n      deprecated: true",
			"2 endpoint-deprecated: endpoint deprecated [{GET /orders/{id}}]  -> a/shop.yaml:26\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.from != "x" && !strings.Contains(shop, tt.from) {
				t.Fatalf("the document does not hold %q", tt.from)
			}
			got := lines(Compare(one(shop), one(strings.Replace(shop, tt.from, tt.to, 1))))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}

// TestWhatCannotBeReadIsSaid gives documents that the library refuses, or that try to make it work for ever.
func TestWhatCannotBeReadIsSaid(t *testing.T) {
	deep := "openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths: {}\nx-deep: " + strings.Repeat("[", 20_000)
	bomb := "openapi: 3.0.3\ninfo: {title: x, version: '1'}\npaths: {}\nx-a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'l'; c++ {
		bomb += fmt.Sprintf("x-%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", c-1), 10), ", "))
	}
	for _, tt := range []struct{ name, text, want string }{
		{"no document", "", ""},
		{"a list", "[]", "cannot unmarshal"},
		{"a remote reference", strings.Replace(shop, "#/components/schemas/Order\"}}\n    post", "https://elsewhere.example/x.json\"}}\n    post", 1), "outside the repository"},
		{"a reference that leads nowhere", strings.Replace(shop, "#/components/schemas/Order", "#/components/schemas/Gone", 1), "Gone"},
		{"no YAML", "paths: {\n", "yaml"},
		{"deep nesting", deep, "depth"},
		{"a bomb of aliases", bomb, "alias"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for before, sides := range map[bool][2]Side{true: {one(tt.text), one(shop)}, false: {one(shop), one(tt.text)}} {
				list, p := Compare(sides[0], sides[1])
				if tt.want == "" {
					continue // not refused, and no panic
				}
				if p == nil || len(list) > 0 || p.Before != before || !strings.Contains(p.Why, tt.want) {
					t.Errorf("before=%t: got %s, want a problem with %q", before, lines(list, p), tt.want)
				}
			}
		})
	}
	if _, p := Compare(one(shop), Side{File: "gone.yaml"}); p == nil || p.Why != "the file is not there" {
		t.Errorf("a file that is not there: %+v", p)
	}
	if _, p := Compare(one(shop+"#"+strings.Repeat("x", MaxBytes)), one(shop)); p == nil || !strings.Contains(p.Why, "more than 16 MB") {
		t.Errorf("a huge file: %+v", p)
	}
}

func TestPlacesOfJSONAndOfOtherFiles(t *testing.T) {
	doc := func(kind string) Side {
		return Side{File: "a/api.json", Files: map[string][]byte{
			"a/api.json": []byte(`{
  "openapi": "3.1.0", "info": {"title": "x", "version": "1"},
  "paths": {"/x": {"get": {
    "operationId": "x",
    "parameters": [{"name": "n", "in": "query", "schema": {"$ref": "../b/parts.yaml#/N"}}],
    "responses": {"200": {"description": "ok"}}}}}
}`),
			"b/parts.yaml": []byte("M: {type: string}\nN:\n  type: " + kind + "\n"),
		}}
	}
	got := lines(Compare(doc("string"), doc("integer")))
	want := "0 request-parameter-type-changed: for the `query` request parameter `n`, the `type` was changed from `string` to `integer` [{GET /x}] b/parts.yaml:3 -> b/parts.yaml:3\n"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mismatch (-want +got):\n%s", d)
	}
}

// TestSchemasThatLeadToThemselves: what has no end is compared all the same.
func TestSchemasThatLeadToThemselves(t *testing.T) {
	tree := func(schemas string) Side {
		return one(strings.Replace(shop[:strings.Index(shop, "components:")], "#/components/schemas/Order", "#/components/schemas/Tree", -1) + "components:\n  schemas:\n" + schemas)
	}
	for _, tt := range []struct{ name, from, to, want string }{
		{"a tree", "    Tree: {type: object, properties: {n: {type: integer}, below: {type: array, items: {$ref: '#/components/schemas/Tree'}}}}\n",
			"    Tree: {type: object, properties: {n: {type: string}, below: {type: array, items: {$ref: '#/components/schemas/Tree'}}}}\n", "response-property-type-changed"},
		{"two that hold each other", "    Tree: {type: object, properties: {leaf: {$ref: '#/components/schemas/Leaf'}}}\n    Leaf: {type: object, properties: {n: {type: integer}, tree: {$ref: '#/components/schemas/Tree'}}}\n",
			"    Tree: {type: object, properties: {leaf: {$ref: '#/components/schemas/Leaf'}}}\n    Leaf: {type: object, properties: {n: {type: string}, tree: {$ref: '#/components/schemas/Tree'}}}\n", "response-property-type-changed"},
		{"one that is all of itself", "    Tree: {allOf: [{$ref: '#/components/schemas/Tree'}], type: object}\n", "    Tree: {allOf: [{$ref: '#/components/schemas/Tree'}], type: string}\n", ""},
		{"one that is itself", "    Tree: {$ref: '#/components/schemas/Tree'}\n", "    Tree: {type: object}\n", ""},
		{"one that is not itself", "    Tree: {not: {$ref: '#/components/schemas/Tree'}, type: object}\n", "    Tree: {not: {$ref: '#/components/schemas/Tree'}, type: string}\n", ""},
		{"a deep one", "    Tree: " + strings.Repeat("{type: object, properties: {a: ", 200) + "{type: integer}" + strings.Repeat("}}", 200) + "\n",
			"    Tree: " + strings.Repeat("{type: object, properties: {a: ", 200) + "{type: string}" + strings.Repeat("}}", 200) + "\n", "response-property-type-changed"},
	} {
		list, p := Compare(tree(tt.from), tree(tt.to))
		if got := lines(list, p); tt.want != "" && !strings.Contains(got, tt.want) || got == "" {
			t.Errorf("%s: got %q, want %s", tt.name, got, tt.want)
		}
	}
}

// TestRealDocuments compares each document of the corpora with itself.
func TestRealDocuments(t *testing.T) {
	dir := os.Getenv("GWC_CORPORA")
	if dir == "" {
		t.Skip("GWC_CORPORA does not name the recorded documents")
	}
	n, refused := 0, 0
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
			return err
		}
		if rel, _ := filepath.Rel(dir, name); !strings.HasPrefix(rel, "openapi") && !strings.HasPrefix(rel, "specs") {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil || len(src) > 1<<20 {
			return err // the largest take minutes with the race detector
		}
		n++
		s := Side{File: "x", Files: map[string][]byte{"x": src}}
		list, p := Compare(s, s)
		if len(list) > 0 {
			t.Errorf("%s differs from itself: %s", filepath.Base(name), lines(list, nil))
		}
		if p != nil {
			refused++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d documents, %d cannot be compared", n, refused)
	if n == 0 {
		t.Skip("no recorded document is there")
	}
}

func FuzzCompare(f *testing.F) {
	f.Add([]byte(shop), []byte(strings.Replace(shop, "maximum: 100", "maximum: 50", 1)))
	f.Add([]byte(shop), []byte(strings.Replace(shop, "type: object", "allOf: [{$ref: '#/components/schemas/Order'}]", 1)))
	f.Add([]byte(`{"openapi":"3.1.0","info":{"title":"x","version":"1"},"paths":{"/x":{"get":{"parameters":[{}]}}}}`), []byte(shop))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		if len(x)+len(y) > 20_000 {
			return
		}
		list, p := Compare(one(string(x)), one(string(y)))
		if p != nil && (len(list) > 0 || p.Why == "") {
			t.Errorf("a problem without a reason, or beside findings: %+v", p)
		}
		for _, f := range list {
			if f.Text == "" || f.Check == "" || len(f.Operations) == 0 {
				t.Errorf("a finding that says nothing: %+v", f)
			}
		}
		if d := cmp.Diff(lines(list, p), lines(Compare(one(string(x)), one(string(y))))); d != "" {
			t.Errorf("two runs differ\n%s", d)
		}
		if same, p := Compare(one(string(x)), one(string(x))); p == nil && len(same) > 0 {
			t.Errorf("a document differs from itself: %s", lines(same, nil))
		}
	})
}
