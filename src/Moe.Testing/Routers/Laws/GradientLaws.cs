namespace Moe.Testing;

/// <summary>What must hold for gradients.</summary>
internal static class GradientLaws
{
    public static void Arrive(RouterTrial trial)
    {
        var router = trial.NewRouter();
        var parameters = router.named_parameters().ToArray();
        foreach (var name in trial.Options.WithoutGradient.Keys.Except(parameters.Select(pair => pair.name)))
            trial.Require(false, $"{nameof(RouterContractOptions.WithoutGradient)} names {name}, which the router does not have");

        var batch = trial.Batch(2, 8);
        using var decision = trial.Route(router, batch, training: true);
        trial.SendBack(router, decision.Weights);
        RequireArrival("the weights");

        var layer = trial.Layer(router);
        trial.SendBack(layer, trial.Answer(layer, batch, training: true).Output);
        RequireArrival("a layer's outputs");

        void RequireArrival(string of)
        {
            trial.RequireFiniteGradients(router, of);
            foreach (var (name, parameter) in parameters.Where(pair => pair.parameter.requires_grad && !trial.Options.WithoutGradient.ContainsKey(pair.name)))
                trial.Require(parameter.grad is { } gradient && HostValues.Of(gradient).Any(value => value != 0), $"no gradient of {of} arrives at {name}");
        }
    }
}
