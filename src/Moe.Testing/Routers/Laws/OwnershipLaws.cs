using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>What must hold for state, memory, and who ends what.</summary>
internal static class OwnershipLaws
{
    public static void StateRoundTrip(RouterTrial trial)
    {
        var (saved, loaded) = (trial.NewRouter(), trial.NewRouter(another: 7));
        using var file = new MemoryStream();
        using (var writer = new BinaryWriter(file, System.Text.Encoding.UTF8, leaveOpen: true))
            saved.save(writer);
        file.Position = 0;
        using (var reader = new BinaryReader(file))
            loaded.load(reader);

        var batch = trial.Batch(2, 4);
        foreach (var training in new[] { false, true })
            RandomnessLaws.RequireSame(trial, trial.Numbers(saved, batch, training), trial.Numbers(loaded, batch, training), "routed by a router that has loaded the state");
    }

    public static void NothingLeaks(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var layer = trial.Layer(router);
        var batch = trial.Batch(2, 4).WithMask(true, true, true, true, true, true, false, false);
        var spoilt = batch.WithTokens(full_like(batch.Tokens, double.NaN));
        var direction = trial.Normal(1, trial.Type, batch.Tokens.shape);
        foreach (var training in new[] { false, true })
        {
            layer.train(training);
            trial.Prepare(router, batch, training);
            trial.RequireNoLeak(() => router.Route(batch.Tokens, batch.Context).Dispose(), "routing");
            trial.RequireNoLeak(() => trial.RequireRefusal<NonFiniteRoutingException>(() => router.Route(spoilt.Tokens, spoilt.Context), "NaN"), "refusing NaN");
            trial.RequireNoLeak(ForwardAndBackward, "a layer's forward and backward pass");
        }

        void ForwardAndBackward()
        {
            using var routed = layer.ForwardWithRouting(batch.Tokens, batch.Context);
            using var product = routed.Output * direction;
            using var loss = product.sum();
            loss.backward();
        }
    }

    public static void SurvivesInPass(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var layer = trial.Layer(router);
        var batch = trial.Batch(2, 4).WithMask(true, true, true, true, true, true, false, false);
        var expected = trial.Numbers(router, batch, training: false);

        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        using (var pass = new RoutingPass(batch.Mask) { TokenIds = batch.Ids })
        {
            using (NewDisposeScope())
            {
                layer.eval();
                layer.forward(batch.Tokens, pass);
            }
            RandomnessLaws.RequireSame(trial, expected, DecisionInNumbers.From(pass.Layers[0].Decision), "read from a pass after the model's scope ended");
        }
        var left = DisposeScopeManager.Statistics.ThreadTotalLiveCount - before;
        trial.Require(left <= 0, $"after the pass ended, {left} tensors are alive");
        RandomnessLaws.RequireSame(trial, expected, trial.Numbers(router, batch, training: false), "routed after a pass ended");
    }
}
