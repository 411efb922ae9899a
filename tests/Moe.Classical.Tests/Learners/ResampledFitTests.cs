using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class ResampledFitTests
{
    [Fact]
    public void Drawn_rows_come_as_often_as_their_weights_say()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(4, 1).WithWeights(tensor(new double[] { 0, 2, 1, 3 }));
        var drawn = ResampledFit.Prepare(WeightSupport.Resample, data, 7);
        var again = ResampledFit.Prepare(WeightSupport.Resample, data.WithWeights(tensor(new double[] { 0, 2e9, 1e9, 3e9 })), 7);

        drawn.Weights.Should().BeNull();
        drawn.Rows.Should().Be(3);
        drawn.Response.Values.data<double>().ToArray().Should().NotContain(data.Response.Values[0].item<double>());
        again.Response.Values.data<double>().ToArray().Should().Equal(drawn.Response.Values.data<double>().ToArray(), "only ratios of weights count");
    }

    [Fact]
    public void Equal_weights_give_every_row_once()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(9, 1);
        var drawn = ResampledFit.Prepare(WeightSupport.Resample, data.WithWeights(full(9, 0.1, dtype: ScalarType.Float64)), 3);
        drawn.Response.Values.data<double>().ToArray().Should().Equal(data.Response.Values.data<double>().ToArray());
    }

    [Fact]
    public void Weights_are_rescaled_to_mean_one_and_halves_make_hard_rows()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(3, 1).WithWeights(tensor(new[] { 3e5, 1e-5, 1e5 }));
        ResampledFit.Prepare(WeightSupport.Native, data, 0).Weights!.mean().item<double>().Should().BeApproximately(1, 1e-12);
        ResampledFit.Prepare(WeightSupport.HardOnly, data.WithWeights(tensor(new[] { 1.0, 0, 1 })), 0).Rows.Should().Be(2);
    }

    [Fact]
    public void A_given_expert_is_returned_as_it_is()
    {
        using var scope = NewDisposeScope();
        var expert = new Fixed(2, 5);
        new GivenLearner(expert).Fit(Rows.Linear(3, 1), FitContext.Default).Should().BeSameAs(expert);
        FluentActions.Invoking(() => new GivenLearner(new Fixed(3, 5)).Fit(Rows.Linear(3, 1), FitContext.Default)).Should().Throw<ArgumentException>().WithMessage("*3 columns to 1*need 2 to 1*");
    }
}
