package match_test

import (
	"fmt"

	"github.com/gwc-dev/gwc/schema/artifact/match"
)

func Example() {
	table, conflicts := match.Build([]match.Pattern{
		{Method: "GET", Path: "/pets/{petId}", Value: 0},
		{Method: "GET", Path: "/pets/search", Value: 1},
		{Method: "DELETE", Path: "/pets/{petId}", Value: 2},
	})
	if len(conflicts) > 0 {
		panic(conflicts)
	}
	var p match.Params
	for _, path := range []string{"/pets/search", "/pets/7", "/cats"} {
		v, outcome := table.Lookup([]byte("api.example:8080"), []byte("GET"), []byte(path), &p)
		fmt.Printf("%s: %v, %d, petId %q\n", path, outcome, v, p.Get(&table, []byte(path), "petId"))
	}
	_, outcome := table.Lookup(nil, []byte("PUT"), []byte("/pets/7"), &p)
	fmt.Println(outcome, "but", string(table.AppendAllow(nil, &p)))
	// Output:
	// /pets/search: found, 1, petId ""
	// /pets/7: found, 0, petId "7"
	// /cats: not found, 0, petId ""
	// method not allowed but DELETE, GET, HEAD
}

func ExampleBuild_conflict() {
	_, conflicts := match.Build([]match.Pattern{
		{Method: "GET", Path: "/pets/{id}"},
		{Method: "GET", Path: "/pets/{name}"},
	})
	fmt.Printf("%+v\n", conflicts)
	// Output:
	// [{A:0 B:1 Kind:ambiguous Witness:GET /pets/name}]
}
