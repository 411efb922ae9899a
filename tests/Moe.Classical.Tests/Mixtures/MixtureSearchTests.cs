using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class MixtureSearchTests
{
    [Theory]
    [InlineData(SelectionCriterion.Bic)]
    [InlineData(SelectionCriterion.Icl)]
    [InlineData(SelectionCriterion.CrossValidation)]
    public void The_number_of_experts_that_there_is_is_found(SelectionCriterion criterion)
    {
        using var scope = NewDisposeScope();
        var data = Draws.TwoLines(200, 1);
        var search = new MixtureSearch(experts => MixtureLearner.Alike(experts, new LinearLearner(), new EmOptions { Restarts = 4, MaxIterations = 300, GateRidge = 1e-4 }), new MixtureSearchOptions { Most = 3, Criterion = criterion, Folds = 3 });
        var choice = search.Choose(data);
        choice.Candidates.Should().HaveCount(3);
        choice.Best.Components.Should().HaveCount(2);
        choice.ToString().Should().Contain($"chosen by {criterion}: 2");
    }

    [Fact]
    public void Numbers_that_cannot_be_fitted_are_in_the_table()
    {
        using var scope = NewDisposeScope();
        var choice = new MixtureSearch(experts => MixtureLearner.Alike(experts, new LinearLearner()), new MixtureSearchOptions { Most = 5 }).Choose(Draws.TwoLines(4, 2));
        choice.Candidates[4].Failure.Should().Contain("more experts than rows");
    }
}
