package tlsx

// applyProfile adds the demands of a profile.
func (v *verifier) applyProfile() {}
