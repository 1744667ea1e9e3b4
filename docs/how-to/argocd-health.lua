-- Health of a SpeechPipeline for Argo CD: docs/how-to/use-with-argo-cd-and-flux.md says where it goes.
local health = {status = "Progressing", message = "The operator has not reported yet"}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local function is(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end

if status.observedGeneration ~= obj.metadata.generation then
  health.message = "The operator has not seen this generation yet"
elseif is("Stalled") then
  health.status = "Degraded"
  health.message = conditions.Stalled.message
elseif is("Ready") and conditions.Ready.reason == "Suspended" then
  health.status = "Suspended"
  health.message = conditions.Ready.message
elseif is("Reconciling") then
  health.message = conditions.Reconciling.message
elseif is("Ready") then
  health.status = "Healthy"
  health.message = conditions.Ready.message
elseif conditions.Ready ~= nil then
  health.message = conditions.Ready.message
end
return health
