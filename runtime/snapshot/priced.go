package snapshot

// Charged returns the target by which what a provider's model has used is charged where no model of the repository was
// asked for: a target of one of the app's models, or else of any. Where those have different prices nobody can say which
// holds, and none is returned; nor where there is none.
func (s *Snapshot) Charged(p *Provider, model string, app *App) *Target {
	for _, granted := range [...]bool{true, false} {
		var found *Target
		for i := range s.Artifact.Models {
			m := s.Models[s.Artifact.Models[i].Name]
			if granted && !app.Models[m.Name] {
				continue
			}
			for j := range m.Targets {
				t := &m.Targets[j]
				if t.Provider != p || t.Model != model || t.Price == nil {
					continue
				}
				if found != nil && found.Price.Version != t.Price.Version {
					return nil
				}
				found = t
			}
		}
		if found != nil {
			return found
		}
	}
	return nil
}
