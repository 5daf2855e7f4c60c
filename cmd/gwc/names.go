package main

import "regexp"

// What the language takes as a name, as the name of a model and as a base path: names on the command line are held
// against it before anything is written.
var (
	validName     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	validModel    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._:-]{0,126}[A-Za-z0-9])?$`)
	validBasePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)
)
