using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class FitDataTests
{
    [Fact]
    public void Numbers_that_are_not_finite_are_told_by_row_and_column()
    {
        using var scope = NewDisposeScope();
        var y = Response.Real(zeros(2));
        FluentActions.Invoking(() => new FitData(tensor(new[] { 1.0, 2, 3, double.NaN }, 2, 2), y)).Should().Throw<ArgumentException>().WithMessage("Row 1, column 1 of inputs is NaN*");
        FluentActions.Invoking(() => new FitData(ones(3, 2), y)).Should().Throw<ArgumentException>().WithMessage("*each of 3 rows, got 2*");
        FluentActions.Invoking(() => new FitData(ones(2), y)).Should().Throw<ArgumentException>().WithMessage("*[n, D]*");
        FluentActions.Invoking(() => new FitData(ones(2, 1), y, tensor(new[] { 1.0, -1 }))).Should().Throw<ArgumentException>().WithMessage("Row 1 of weights is -1*");
        FluentActions.Invoking(() => new FitData(ones(2, 1), y, zeros(2))).Should().Throw<ArgumentException>().WithMessage("*sum of weights is 0*");
        FluentActions.Invoking(() => new FitData(ones(2, 1), y, ones(3))).Should().Throw<ArgumentException>();
    }

    [Fact]
    public void Rows_and_columns_are_selected_with_their_weights()
    {
        using var scope = NewDisposeScope();
        var data = new FitData(arange(6).reshape(3, 2), Response.Real(arange(3)), tensor(new[] { 1.0, 2, 3 }));
        var some = data.Select(tensor(new long[] { 2, 0, 2 }));
        some.Inputs.data<double>().ToArray().Should().Equal(4, 5, 0, 1, 4, 5);
        some.Response.Values.data<double>().ToArray().Should().Equal(2, 0, 2);
        some.Weights!.data<double>().ToArray().Should().Equal(3, 1, 3);
        data.SelectColumns([1]).Inputs.data<double>().ToArray().Should().Equal(1, 3, 5);
        FluentActions.Invoking(() => data.Select(tensor(new long[] { 3 }))).Should().Throw<ArgumentException>().WithMessage("*0 to 2, got 3*");
        FluentActions.Invoking(() => data.SelectColumns([2])).Should().Throw<ArgumentException>().WithMessage("*got 2*");
    }

    [Fact]
    public void Responses_out_of_range_are_refused()
    {
        using var scope = NewDisposeScope();
        FluentActions.Invoking(() => Response.Count(tensor(new[] { 1.0, -1 }))).Should().Throw<ArgumentException>().WithMessage("Row 1 of values is -1, which is not a count*");
        FluentActions.Invoking(() => Response.Count(tensor(new[] { 0.5 }))).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => Response.Binomial(tensor(new[] { 3.0 }), tensor(new[] { 2.0 }))).Should().Throw<ArgumentException>().WithMessage("*3 successes in 2 trials*");
        FluentActions.Invoking(() => Response.Binomial(tensor(new[] { 0.0 }), tensor(new[] { 0.0 }))).Should().Throw<ArgumentException>().WithMessage("*0 trials*");
        FluentActions.Invoking(() => Response.Class(tensor(new[] { 2.0 }), 2)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => Response.Class(tensor(new[] { 0.0 }), 1)).Should().Throw<ArgumentOutOfRangeException>();
        Response.Class(tensor(new[] { 0.0 }), 4).Width.Should().Be(4);
        Response.Real(ones(3, 1)).Values.shape.Should().Equal(3);
    }
}
