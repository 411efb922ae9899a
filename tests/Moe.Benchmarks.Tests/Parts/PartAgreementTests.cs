using Moe.Benchmarks.Parts;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Tests.Parts;

public sealed class PartAgreementTests
{
    [Fact]
    public void Lets_roundings_pass()
    {
        using var scope = NewDisposeScope();

        FluentActions.Invoking(() => PartAgreement.Require("ours", tensor([1f, 100.0005f]), tensor([1.0005f, 100f]))).Should().NotThrow();
    }

    [Theory]
    [InlineData(100.01f)]
    [InlineData(float.NaN)]
    public void Refuses_other_numbers(float number)
    {
        using var scope = NewDisposeScope();

        FluentActions.Invoking(() => PartAgreement.Require("ours", tensor([1f, number]), tensor([1f, 100f])))
            .Should().Throw<InvalidOperationException>().WithMessage("ours: differs *");
    }

    [Fact]
    public void Refuses_another_shape()
    {
        using var scope = NewDisposeScope();

        FluentActions.Invoking(() => PartAgreement.Require("ours", zeros(1, 2), ones(2)))
            .Should().Throw<InvalidOperationException>().WithMessage("ours: shape [1, 2] instead of [2]*");
    }
}
