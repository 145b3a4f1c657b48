#pragma once

// The words by which the operator's objects know each other. They are in users' clusters: none may ever
// change.
namespace pilotlight::plan {

inline constexpr char kNameLabel[] = "app.kubernetes.io/name";
inline constexpr char kInstanceLabel[] = "app.kubernetes.io/instance";
inline constexpr char kManagedByLabel[] = "app.kubernetes.io/managed-by";
inline constexpr char kRevisionLabel[] = "pilotlight.dev/revision";
inline constexpr char kTrafficLabel[] = "pilotlight.dev/traffic";
inline constexpr char kDigestAnnotation[] = "pilotlight.dev/digest";
// Of a ReplicaSet: a copy of the data of its ConfigMap, as a JSON object of texts.
inline constexpr char kConfigAnnotation[] = "pilotlight.dev/config";

inline constexpr char kNameValue[] = "model-server";
inline constexpr char kManagedByValue[] = "pilotlight";

// Values of the traffic label. The Service selects kTrafficService.
inline constexpr char kTrafficNone[] = "none";
inline constexpr char kTrafficService[] = "service";
// Gets requests from the pods in the Service only.
inline constexpr char kTrafficSplit[] = "split";

// "<model deployment><this>": its ConfigMap of the operator's public keys.
inline constexpr char kKeysSuffix[] = "-operator-keys";

inline constexpr char kContainer[] = "sidecar";

}  // namespace pilotlight::plan
