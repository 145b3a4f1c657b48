-- Argo CD's health of a ModelDeployment; docs/gitops.md tells where it goes.
local status = obj.status
if status == nil or status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not seen this version of the spec yet"}
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local function is(kind, value)
  return conditions[kind] ~= nil and conditions[kind].status == value
end
local function say(health, kind)
  local condition = conditions[kind] or {}
  return {status = health, message = (condition.reason or kind) .. ": " .. (condition.message or "")}
end

local phase = status.rollout and status.rollout.phase
-- Whether it waits for time or for somebody, Stalled says so first.
if is("Stalled", "True") then return say("Degraded", "Stalled") end
if phase == "Paused" then return say("Suspended", "Reconciling") end
if is("Reconciling", "True") then return say("Progressing", "Reconciling") end
-- It serves, and gives other answers than those that it was proven with.
if is("Validated", "False") then return say("Degraded", "Validated") end
-- Somebody asked for no pods at all: that is what there is.
if phase == "Stopped" then return say("Healthy", "Ready") end
if is("Ready", "True") and is("UpToDate", "True") then return say("Healthy", "UpToDate") end
return say("Progressing", "Ready")
