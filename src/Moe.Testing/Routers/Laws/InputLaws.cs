using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>What must hold for types, shapes and choices that a caller gives.</summary>
internal static class InputLaws
{
    public static void EveryFloatingType(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var batch = trial.Batch(2, 4);
        foreach (var type in new[] { ScalarType.Float64, ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16 })
        {
            var routed = type == ScalarType.Float64 ? type : ScalarType.Float32;
            var tokens = batch.WithTokens(batch.Tokens.to(type));
            using var decision = trial.Route(router, tokens, training: true);
            foreach (var (tensor, name) in new[] { (decision.Weights, "weights"), (decision.Scores, "scores"), (decision.Logits, "logits"), (decision.PerturbedLogits, "perturbed logits") })
                trial.Require(tensor.dtype == routed, $"{type} must be routed in {routed}, but the {name} are of type {tensor.dtype}");
            trial.Require(decision.Indices.dtype == ScalarType.Int64 && decision.Counts.dtype == ScalarType.Int64, $"indices and counts are of types {decision.Indices.dtype} and {decision.Counts.dtype}");
            if (type != routed)
            {
                var converted = trial.Numbers(router, tokens.WithTokens(tokens.Tokens.to(routed)), training: true);
                RandomnessLaws.RequireSame(trial, DecisionInNumbers.From(decision), converted, $"converted from {type} to {routed} before");
            }
        }
    }

    public static void StaysInFloat32(RouterTrial trial)
    {
        var batch = trial.Batch(2, 4).WithTokens(trial.Batch(2, 4).Tokens.to(ScalarType.Float32));
        foreach (var type in new[] { ScalarType.BFloat16, ScalarType.Float16 })
        {
            RequireFloat32(trial.NewRouter(), router => router.to(type), $"moved to {type}");
            RequireFloat32(trial.NewRouter(), router => router.to(CPU, type), $"moved to {type} with a device");
            RequireFloat32(trial.NewRouter(), router => trial.Layer(router).to(type), $"moved to {type} in a layer");
        }

        void RequireFloat32(Router router, Action<Router> move, string what)
        {
            var before = trial.Numbers(router, batch, training: false);
            move(router);
            foreach (var (name, tensor) in router.state_dict().Where(pair => pair.Value.is_floating_point()))
                trial.Require(tensor.dtype is ScalarType.Float32, $"{what}, {name} is of type {tensor.dtype}");
            RandomnessLaws.RequireSame(trial, before, trial.Numbers(router, batch, training: false), what, trial.Type == ScalarType.Float32 ? 0 : 1e-5);
        }
    }

    public static void WrongInputRefused(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var batch = trial.Batch(2, 4);
        var before = trial.Numbers(router, batch, training: false);

        Refused(trial.Normal(1, trial.Type, 2, 4, trial.Options.InputWidth + 1), null, "tokens of another width");
        Refused(tensor(1.0), null, "a number instead of tokens");
        Refused(batch.Tokens.to(ScalarType.Int64), null, "tokens of type Int64");
        if (router.parameters().Any())
            Refused(batch.Tokens.to(META), null, "tokens on the meta device");
        Refused(batch.Tokens, ones(2, 3, dtype: ScalarType.Bool), "a mask of another shape");
        Refused(batch.Tokens, ones(8, dtype: ScalarType.Bool), "a flat mask");
        Refused(batch.Tokens, ones(2, 4), "a mask of type Float32");
        Refused(null!, null, "null");
        trial.RequireRefusal<ObjectDisposedException>(() => router.Route(Disposed()), "a disposed tensor");
        RandomnessLaws.RequireSame(trial, before, trial.Numbers(router, batch, training: false), "routed after refusals");
        router.Dispose();
        trial.RequireRefusal<ObjectDisposedException>(() => router.Route(batch.Tokens, batch.Context), "routing with a disposed router");

        void Refused(Tensor tokens, Tensor? mask, string what) =>
            trial.RequireRefusal<ArgumentException>(() => router.Route(tokens, new RoutingContext { Mask = mask, TokenIds = batch.Ids }), what);

        Tensor Disposed()
        {
            var tensor = batch.Tokens.clone();
            tensor.Dispose();
            return tensor;
        }
    }

    public static void LeadingDimensions(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var batch = trial.Batch(2, 4);
        foreach (var tokens in new[] { batch, batch.WithMask(true, false, true, true, true, true, true, false) })
        {
            foreach (var training in new[] { false, true })
            {
                var grouped = trial.Numbers(router, tokens, training);
                RandomnessLaws.RequireSame(trial, grouped, trial.Numbers(router, tokens.Grouped(1, 2, 1, 4), training), "routed with more leading dimensions");
                if (!trial.Options.SequenceScope)
                    RandomnessLaws.RequireSame(trial, grouped, trial.Numbers(router, tokens.Grouped(8), training), "routed as [B · S, D]");
            }
        }

        if (trial.Options.SequenceScope && trial.Options.DeterministicEvaluation)
        {
            var together = trial.Numbers(router, batch, training: false);
            for (var token = 0; token < 8; token++)
            {
                var first = token / 4 * 4;
                var alone = trial.Numbers(router, batch.Only(first, first + 1, first + 2, first + 3), training: false);
                var difference = together.DifferenceAt(token, alone, token % 4, trial.Tolerance);
                trial.Require(difference is null, $"with its sequence routed alone, {difference}");
            }
        }
    }

    public static void ForcedChoices(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var batch = trial.Batch(2, 4);
        using var decision = trial.Route(router, batch, training: false);
        var choices = decision.TopK;
        var experts = Enumerable.Range(0, 8 * choices).Select(at => (long)((at / choices + at % choices) % trial.ExpertCount)).ToArray();
        using var forced = tensor(experts, [2, 4, choices]);
        try
        {
            var obeyed = DecisionInNumbers.From(router.Route(batch.Tokens, new RoutingContext { TokenIds = batch.Ids, ForcedIndices = forced }));
            trial.Require(
                obeyed.Indices.SequenceEqual(experts) && obeyed.Chosen.All(chosen => chosen),
                $"forced to {DecisionInNumbers.List(experts)}, tokens are sent to {DecisionInNumbers.List(obeyed.Indices)}: obey {nameof(RouterInput)}.{nameof(RouterInput.Forced)}, or refuse it with an {nameof(ArgumentException)}");
        }
        catch (ArgumentException)
        {
            return;
        }

        using var replay = RoutingTrace.From(decision).ForcedIndices(0, batch.Tokens);
        var replayed = DecisionInNumbers.From(router.Route(batch.Tokens, new RoutingContext { TokenIds = batch.Ids, ForcedIndices = replay }));
        RandomnessLaws.RequireSame(trial, DecisionInNumbers.From(decision), replayed, "replayed from a trace", trial.Tolerance);
    }
}
