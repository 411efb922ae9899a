using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Testing.Tests;

/// <summary>Right gradients pass, wrong ones are caught, and flips are told from both.</summary>
public sealed class GradCheckTests
{
    private static Tensor Leaf(params double[] values) => tensor(values, requires_grad: true);

    [Fact]
    public void Right_gradients_pass()
    {
        using var scope = NewDisposeScope();
        var (x, y) = (Leaf(1, -2, 3).reshape(3, 1).detach().requires_grad_(), Leaf(0.5));

        GradCheck.Verify(() => (x.pow(3).sin() * y.exp()).sum(), [("x", x), ("y", y)]);
    }

    [Fact]
    public void A_wrong_gradient_is_caught_with_entry_and_both_numbers()
    {
        using var scope = NewDisposeScope();
        var x = Leaf(1, 2, 3, 4).reshape(2, 2).detach().requires_grad_();

        var mismatches = GradCheck.Check(() => (x * x.detach()).sum(), [("x", x)]);

        mismatches.Select(mismatch => mismatch.Entry).Should().Equal("x[0, 0]", "x[0, 1]", "x[1, 0]", "x[1, 1]");
        mismatches[2].Autograd.Should().Be(3);
        mismatches[2].Difference.Should().BeApproximately(6, 1e-8);
        FluentActions.Invoking(() => GradCheck.Verify(() => (x * x.detach()).sum(), [("x", x)]))
            .Should().Throw<GradCheckException>().WithMessage("4 gradients are not what differences say:*- x[1, 0]: autograd says 3, differences say 6*");
    }

    [Fact]
    public void A_gradient_that_is_missing_or_NaN_is_caught()
    {
        using var scope = NewDisposeScope();
        var x = Leaf(0, 2);

        GradCheck.Check(() => x.detach().square().sum(), [("x", x)]).Should().ContainSingle(mismatch => mismatch.Entry == "x[1]" && mismatch.Autograd == 0);
        GradCheck.Check(() => (x * 0).sqrt().sum(), [("x", x)]).Should().HaveCount(2).And.OnlyContain(mismatch => double.IsNaN(mismatch.Autograd));
    }

    [Fact]
    public void A_leaf_that_plays_no_part_has_the_gradient_0()
    {
        using var scope = NewDisposeScope();
        var (x, unused) = (Leaf(1, 2), Leaf(3));

        GradCheck.Check(() => x.square().sum(), [("x", x), ("unused", unused)]).Should().BeEmpty();
    }

    [Fact]
    public void A_flip_of_a_choice_is_reported_as_one()
    {
        using var scope = NewDisposeScope();
        var x = Leaf(1, 1 + 1e-8);

        var mismatches = GradCheck.Check(() => x.max() + x.argmax(), [("x", x)], choices: () => x.argmax());

        mismatches.Should().HaveCount(2).And.OnlyContain(mismatch => double.IsNaN(mismatch.Difference));
        $"{mismatches[0]}".Should().StartWith("x[0]: autograd says 0; a choice flips");
        GradCheck.Check(() => x.max(), [("x", x)], choices: () => zeros(1)).Should().NotBeEmpty("what is not said to be chosen does not flip");
    }

    [Fact]
    public void Leaves_and_their_gradients_are_left_as_they_were()
    {
        using var scope = NewDisposeScope();
        var x = Leaf(0.1, 1e8, -3);
        x.square().sum().backward();
        var (values, gradient) = (x.data<double>().ToArray(), x.grad!.data<double>().ToArray());

        GradCheck.Check(() => x.square().sum(), [("x", x)]);
        var calls = 0;
        FluentActions.Invoking(() => GradCheck.Check(() => ++calls < 5 ? x.sum() : throw new InvalidOperationException("now"), [("x", x)]))
            .Should().Throw<InvalidOperationException>().WithMessage("now");

        x.data<double>().ToArray().Should().Equal(values);
        x.grad!.data<double>().ToArray().Should().Equal(gradient);
    }

    [Fact]
    public void It_leaves_nothing_alive()
    {
        using var x = Leaf(1, 2);
        DisposeScopeManager.Statistics.Reset();

        GradCheck.Verify(() => x.square().sum(), [("x", x)], choices: () => x.argmax());

        DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(0);
    }

    [Fact]
    public void What_cannot_be_checked_is_refused()
    {
        using var scope = NewDisposeScope();
        var x = Leaf(1, 2);
        var draws = 0;

        Refused(() => GradCheck.Check(() => x * 2, [("x", x)]), "Expected a loss that is one number of Float64, got [2] of Float64.*");
        Refused(() => GradCheck.Check(() => x.sum() * ++draws, [("x", x)]), "Expected a loss that is always the same*");
        Refused(() => GradCheck.Check(() => x.sum(), [("y", x * 2)]), "Expected y to be a leaf of Float64 that requires gradients, got Float64, requiring them, not a leaf.");
        Refused(() => GradCheck.Check(() => x.sum(), [("y", ones(2))]), "Expected y to be a leaf * got Float32, not requiring them, a leaf.");
        Refused(
            () => GradCheck.Check(() => x.sum(), [("x", x)], options: new() { Epsilon = 0, Tolerance = double.NaN }),
            "GradCheckOptions is not valid: Epsilon (0) must be positive and finite. Tolerance (NaN) must be positive and finite.*");

        static void Refused(Action action, string message) => action.Should().Throw<ArgumentException>().WithMessage(message);
    }
}
