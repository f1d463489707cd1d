package history

// PipelinesFile holds the pipelines of a run, a list of [Pipeline], within its directory.
const PipelinesFile = "pipelines.json"

// Pipeline is what a judge must know of a pipeline to say what its records mean. Field names are the org's.
type Pipeline struct {
	Name      string `json:"name"`
	Object    string `json:"object"`
	Operation string `json:"operation"` // insert, upsert, update, delete
	// Field is the one by which a row is found (update, upsert, delete) or told from others (insert): "Id" is the row's Id. "" for an insert
	// whose rows are matched by what they hold: equal rows are as many as there are records.
	Field string `json:"field,omitempty"`
	// Stamp is a field that every record sets to a value of its own, so that a row names the newest record in it; "" = there is none.
	Stamp string `json:"stamp,omitempty"`
	// Versioned: Publication.N is the version that its records carry, which says what is newer whatever the order in the stream; else N is that
	// order. Several pipelines may write rows of one object: then each has fields of its own, beside the one that finds them.
	Versioned bool `json:"versioned,omitempty"`
	// Exact: every message was stored at most once by the broker, whatever its answers were; else one without a clear answer may lie in the
	// stream several times. A record without a Publication.Key is only published to exact pipelines: it is a repeat only when it says the
	// same as the newest of its entity, and never where it has no entity.
	Exact bool `json:"exact,omitempty"`
	// Parent is the relationship column whose value, in Publication.Says, is the entity of ParentPipeline that must be there first.
	Parent         string `json:"parent,omitempty"`
	ParentPipeline string `json:"parent_pipeline,omitempty"`
	// Fields are all that the definition may write, in any of its revisions, key and stamp included; a constant is none of them.
	Fields []string `json:"fields"`
	// Constants are the fields that the definition sets to the same value in every row; nil = it is not known which.
	Constants map[string]string `json:"constants"`
}
