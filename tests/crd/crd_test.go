// Package crd asks a new API server's own code (Kubernetes 1.34, as a library) what it makes of our
// CustomResourceDefinition: whether it takes it at all, with its CEL rules and their cost, and what it answers to each
// manifest of crds/testdata/manifests.yaml. The cluster of `./dev` is 1.20, which knows no CEL: without this test
// nothing would run those rules. The other half of the table's test is operator/api/validate_test.cpp.
package crd

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	yaml12 "go.yaml.in/yaml/v3"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	kjson "k8s.io/apimachinery/pkg/util/json"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

const folder = "../../crds/"

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(folder + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func load(t *testing.T, file string) *apiextensions.CustomResourceDefinition {
	t.Helper()
	var versioned v1.CustomResourceDefinition
	read(t, file, &versioned)
	v1.SetDefaults_CustomResourceDefinition(&versioned)
	v1.SetDefaults_CustomResourceDefinitionSpec(&versioned.Spec)
	var crd apiextensions.CustomResourceDefinition
	if err := v1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&versioned, &crd, nil); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return &crd
}

func TestANewAPIServerTakesTheDefinition(t *testing.T) {
	for _, file := range []string{"modeldeployments.yaml", "modeldeployments-no-cel.yaml"} {
		for _, problem := range crdvalidation.ValidateCustomResourceDefinition(context.Background(), load(t, file)) {
			t.Errorf("%s: %v", file, problem)
		}
	}
}

// What the API server does to an object before it stores it, in its order. The answers are all it has to say.
type server struct {
	structural *schema.Structural
	types      validation.SchemaValidator
	rules      *cel.Validator
}

func newServer(t *testing.T) server {
	t.Helper()
	crd := load(t, "modeldeployments.yaml")
	// With one version only, the conversion to the internal type moves its schema to the top.
	properties := crd.Spec.Validation.OpenAPIV3Schema
	structural, err := schema.NewStructural(properties)
	if err != nil {
		t.Fatal(err)
	}
	types, _, err := validation.NewSchemaValidator(properties)
	if err != nil {
		t.Fatal(err)
	}
	rules := cel.NewValidator(structural, true, celconfig.PerCallLimit)
	if rules == nil {
		t.Fatal("the definition has no CEL rules")
	}
	return server{structural, types, rules}
}

func (s server) answers(object map[string]any) (all []string) {
	defaulting.Default(object, s.structural)
	for _, problem := range validation.ValidateCustomResource(nil, object, s.types) {
		all = append(all, problem.Error())
	}
	for _, problem := range listtype.ValidateListSetsAndMaps(nil, s.structural, object) {
		all = append(all, problem.Error())
	}
	if len(all) > 0 { // rules are run only on what has the right types
		return all
	}
	problems, _ := s.rules.Validate(context.Background(), nil, s.structural, object, nil, celconfig.RuntimeCELCostBudget)
	for _, problem := range problems {
		all = append(all, problem.Error())
	}
	return all
}

// merge lays patch over target: RFC 7396.
func merge(target, patch map[string]any) map[string]any {
	for key, value := range patch {
		inner, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(target, key)
		case isObject:
			old, _ := target[key].(map[string]any)
			if old == nil {
				old = map[string]any{}
			}
			target[key] = merge(old, inner)
		default:
			target[key] = value
		}
	}
	return target
}

type row struct {
	Name, Error, By string
	Merge           json.RawMessage
}

// table reads YAML 1.2, as the operator's test does. (kubectl reads 1.1, where a plain y is true.)
func table(t *testing.T) (rows []row) {
	t.Helper()
	text, err := os.ReadFile(folder + "testdata/manifests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var any []map[string]any
	if err := yaml12.Unmarshal(text, &any); err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(any)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatal("the table is empty")
	}
	return rows
}

func manifest(t *testing.T, r row) map[string]any {
	t.Helper()
	const base = `{"apiVersion": "pilotlight.dev/v1alpha1", "kind": "ModelDeployment",
		"metadata": {"name": "digits", "namespace": "default"},
		"spec": {"model": {"uri": "https://models.example/digits.tar"}}}`
	var object, patch map[string]any
	if err := kjson.Unmarshal([]byte(base), &object); err != nil { // whole numbers stay whole, as in the server
		t.Fatal(err)
	}
	if err := kjson.Unmarshal(r.Merge, &patch); err != nil {
		t.Fatal(err)
	}
	return merge(object, patch)
}

func TestManifestsAreAcceptedOrRefusedWithTheMessageOfTheTable(t *testing.T) {
	s := newServer(t)
	for _, r := range table(t) {
		t.Run(r.Name, func(t *testing.T) {
			answers := strings.Join(s.answers(manifest(t, r)), "\n")
			switch {
			case r.Error == "" && answers != "":
				t.Errorf("refused:\n%s", answers)
			case r.Error != "" && answers == "":
				t.Errorf("accepted, but should be refused: %s", r.Error)
			case r.By == "" && !strings.Contains(answers, r.Error):
				t.Errorf("refused, but without %q:\n%s", r.Error, answers)
			}
		})
	}
}

// Defaults stand in the schema and in the operator; a manifest must mean the same to both, so they must all apply.
func TestDefaultsAreFilledIn(t *testing.T) {
	s := newServer(t)
	object := manifest(t, row{Merge: []byte(`{"spec": {"validation": {}, "endpoint": {}}}`)})
	if answers := s.answers(object); len(answers) > 0 {
		t.Fatal(answers)
	}
	spec := object["spec"].(map[string]any)
	if spec["replicas"] != int64(1) {
		t.Errorf("replicas: %v", spec["replicas"])
	}
	if level := spec["validation"].(map[string]any)["minimumLevel"]; level != "Loaded" {
		t.Errorf("validation.minimumLevel: %v", level)
	}
	if limit := spec["endpoint"].(map[string]any)["maxRequestBytes"]; limit != int64(16777216) {
		t.Errorf("endpoint.maxRequestBytes: %v", limit)
	}
}
