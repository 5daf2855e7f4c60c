package diag

import "testing"

func TestNearestFindsWhatWasMeant(t *testing.T) {
	for _, test := range []struct {
		name       string
		word       string
		candidates []string
		want       string
	}{
		{"a letter is missing", "opnai", []string{"claude", "openai"}, "openai"},
		{"a letter is too many", "openaii", []string{"claude", "openai"}, "openai"},
		{"two neighbours are swapped", "fsat", []string{"fast", "flat"}, "fast"},
		{"only the case differs", "listpets", []string{"listPet", "listPets"}, "listPets"},
		{"a short word allows one slip", "gt", []string{"get", "post"}, "get"},
		{"a short word allows no two slips", "ab", []string{"cd", "abcd"}, ""},
		{"a long word allows several", "conversatonsList", []string{"conversationList", "conversationsListAll"}, "conversationList"},
		{"of two that are as near, the first in order", "b", []string{"c", "a"}, "a"},
		{"the exact case is nearer than another", "getpet", []string{"GetPets", "getPets"}, "GetPets"},
		{"an abbreviation", "addr", []string{"address", "engine", "tls"}, "address"},
		{"a word that was written out", "directory", []string{"dir", "bodies"}, "dir"},
		{"another ending", "policy", []string{"policies"}, "policies"},
		{"an abbreviation of two", "list", []string{"listPets", "listUsers"}, ""},
		{"two letters are no abbreviation", "ad", []string{"address"}, ""},
		{"the word itself is no suggestion", "same", []string{"same"}, ""},
		{"an empty name is no suggestion", "a", []string{""}, ""},
		{"nothing is near", "zzz", []string{"openai", "claude"}, ""},
		{"there is nothing", "x", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := Nearest(test.word, test.candidates)
			if got != test.want || ok != (test.want != "") {
				t.Errorf("Nearest(%q, %q) = %q, %v; want %q", test.word, test.candidates, got, ok, test.want)
			}
		})
	}
}
